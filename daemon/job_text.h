// The TOML layer of a job file: sections of plain values, before anybody knows what they mean.
#pragma once

#include <map>
#include <string>

#include "topology/options.h"

namespace kith {

using JobSection = std::map<std::string, OptionValue>;
using JobSections = std::map<std::string, JobSection>;

// Throws OperatorError: a syntax error with its line and column, a value that no key can hold.
JobSections read_sections(const std::string& toml);

// "section.key=value"; the value as in TOML, or a text without its quotes.
void apply_override(JobSections& sections, const std::string& assignment);

// TOML that reads back to the same values, bit for bit.
std::string write_sections(const JobSections& sections);

}  // namespace kith
