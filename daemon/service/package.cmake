# Installing, and the Debian package:
#
#   cmake --install build/release --prefix /usr/local
#   cpack --config build/release/CPackConfig.cmake -B build/package
include(GNUInstallDirs)
set(service ${CMAKE_CURRENT_LIST_DIR})

install(TARGETS kith kithd RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT programs)
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DATADIR}/kith COMPONENT programs)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright COMPONENT programs)

# Of a system, not of a prefix: in the package alone.
install(FILES ${service}/kithd.service DESTINATION lib/systemd/system COMPONENT service
        EXCLUDE_FROM_ALL)
install(FILES ${service}/kithd.default DESTINATION /etc/default RENAME kithd COMPONENT service
        EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME kith)
set(CPACK_PACKAGE_CONTACT "The Kith maintainers <root@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "decentralised training of one model on many machines")
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON)  # /etc is no part of the prefix
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL programs service)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS dataset-fashion-mnist)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${service}/postinst ${service}/prerm ${service}/postrm ${service}/conffiles)
include(CPack)
