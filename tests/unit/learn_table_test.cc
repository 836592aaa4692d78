// Readers of IDX, CSV and .npy: what they accept, and one clear sentence for what they do not.
#include "daemon/learn/table.h"
#include "tests/unit/learn_files.h"
#include "topology/rng.h"

namespace kith {
namespace {

using Floats = std::vector<std::vector<float>>;

// All rows as floats.
Floats rows_of(const Table& table) {
  Floats rows;
  table.read([](size_t) { return true; },
             [&](size_t row, const RowView& x) {
               EXPECT_EQ(row, rows.size());
               rows.emplace_back(x.floats.begin(), x.floats.end());
               rows.back().insert(rows.back().end(), x.bytes.begin(), x.bytes.end());
             });
  return rows;
}

std::vector<int32_t> labels_of(const Table& table) {
  return {table.labels().begin(), table.labels().end()};
}

const std::string kBytes("\x01\x02\x03\x04\xff\x06", 6);

TEST(Idx, ReadsBytesPlainAndByGzip) {
  TestFolder folder;
  const std::string labels = folder.write("l", idx(8, {3}, std::string("\x01\x00\x02", 3)));
  const std::string features = idx(8, {3, 1, 2}, kBytes);
  for (const std::string& path : {folder.write("f", features), folder.write_gzip("g", features)}) {
    const auto table = open_table({path, labels, ""});
    EXPECT_TRUE(table->bytes());
    EXPECT_EQ(rows_of(*table), (Floats{{1, 2}, {3, 4}, {255, 6}}));
    EXPECT_EQ(labels_of(*table), (std::vector<int32_t>{1, 0, 2}));
  }
}

TEST(Idx, ReadsBigEndianFloatsAndLabels) {
  TestFolder folder;
  const std::string f = folder.write(
      "f", idx(0x0d, {1, 2}, "\x3f\x80" + std::string(2, '\0') + "\xc0" + std::string(3, '\0')));
  const std::string l = folder.write("l", idx(0x0c, {1}, big_endian(7)));
  const auto table = open_table({f, l, ""});
  EXPECT_FALSE(table->bytes());
  EXPECT_EQ(rows_of(*table), (Floats{{1, -2}}));
  EXPECT_EQ(labels_of(*table), std::vector<int32_t>{7});
}

TEST(Idx, RefusesWhatItCannotRead) {
  TestFolder folder;
  const std::string labels = folder.write("l", idx(8, {3}, std::string("\x01\x00\x02", 3)));
  const std::string good = folder.write("good", idx(8, {3, 2}, kBytes));
  const auto open = [](const std::string& f, const std::string& l) {
    return [=] { rows_of(*open_table({f, l, ""})); };
  };
  const std::string shorter = folder.write("short", idx(8, {3, 2}, kBytes.substr(1)));
  expect_operator_error(open(shorter, labels), {shorter, "truncated"});
  const std::string header = folder.write("header", idx(8, {3, 2}, "").substr(0, 7));
  expect_operator_error(open(header, labels), {header, "truncated"});
  const std::string longer = folder.write("long", idx(8, {3, 2}, kBytes + "x"));
  expect_operator_error(open(longer, labels), {longer, "more rows"});
  const std::string magic = folder.write("magic", "PNG..........");
  expect_operator_error(open(magic, labels), {magic, "magic number"});
  expect_operator_error(open(good, magic), {magic, "magic number"});
  const std::string two = folder.write("two", idx(8, {2}, std::string("\x01\x00", 2)));
  expect_operator_error(open(good, two), {good, two, "3 rows", "2 labels"});
  const std::string negative = folder.write("neg", idx(0x09, {3}, std::string("\x01\xff\x02", 3)));
  expect_operator_error(open(good, negative), {negative, "label -1", "row 1"});
  const std::string huge = folder.write("huge", idx(8, {0xffffffff, 0xffffffff, 9}, kBytes));
  expect_operator_error(open(huge, labels), {huge, "2^24"});
  const std::string many = folder.write("many", idx(8, {0xffffffff}, "ab"));
  expect_operator_error(open(good, many), {many, "truncated"});
  expect_operator_error(open(good, ""), {good, "data.labels"});
  expect_operator_error(open("/nowhere/f", labels), {"/nowhere/f", "cannot be opened"});
}

TEST(Idx, RefusesGzipThatEndsEarly) {
  TestFolder folder;
  const std::string labels = folder.write("l", idx(8, {3}, std::string("\x01\x00\x02", 3)));
  const std::string whole = folder.write_gzip("whole", idx(8, {3, 2}, kBytes));
  std::ifstream file(whole, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  const std::string cut = folder.write("cut", bytes.substr(0, bytes.size() - 12));
  expect_operator_error([&] { rows_of(*open_table({cut, labels, ""})); }, {cut, "truncated"});
}

TEST(Npy, ReadsEveryTypeAndBothVersions) {
  TestFolder folder;
  const std::string labels =
      folder.write("l.npy", npy("<i8", "(2,)", little_endian<int64_t>({1, 0}), 2));
  const auto check = [&](const std::string& contents, bool bytes) {
    const auto table = open_table({folder.write("f.npy", contents), labels, ""});
    EXPECT_EQ(table->bytes(), bytes);
    EXPECT_EQ(rows_of(*table), (Floats{{1, 2, 3}, {4, 5, 6}}));
    EXPECT_EQ(labels_of(*table), (std::vector<int32_t>{1, 0}));
  };
  check(npy("|u1", "(2, 3)", "\x01\x02\x03\x04\x05\x06"), true);
  check(npy("<i4", "(2, 3)", little_endian<int32_t>({1, 2, 3, 4, 5, 6})), false);
  check(npy("<i8", "(2, 3, 1)", little_endian<int64_t>({1, 2, 3, 4, 5, 6})), false);
  check(npy("<f4", "(2, 1, 3)", little_endian<float>({1, 2, 3, 4, 5, 6}), 2), false);
  check(npy("<f8", "(2, 3)", little_endian<double>({1, 2, 3, 4, 5, 6})), false);
}

TEST(Npy, RefusesWhatItCannotRead) {
  TestFolder folder;
  const std::string labels = folder.write("l.npy", npy("|u1", "(2,)", std::string("\x01\0", 2)));
  const std::string good = folder.write("good.npy", npy("|u1", "(2, 1)", "ab"));
  const auto expect = [&](const std::string& name, const std::string& contents,
                          std::vector<std::string> parts) {
    const std::string path = folder.write(name, contents);
    parts.push_back(path);
    expect_operator_error([&] { rows_of(*open_table({path, labels, ""})); }, parts);
  };
  expect("magic.npy", "hello, world", {"magic number"});
  expect("version.npy", npy("|u1", "(2, 1)", "ab", 3), {"version 3"});
  expect("order.npy", npy("|u1", "(2, 1)", "ab", 1, "True"), {"Fortran", "ascontiguousarray"});
  expect("type.npy", npy(">f4", "(2, 1)", "abcdefgh"), {">f4", "little-endian"});
  expect("short.npy", npy("|u1", "(2, 1)", "a"), {"truncated"});
  expect("long.npy", npy("|u1", "(2, 1)", "abc"), {"more rows"});
  expect("empty.npy", npy("|u1", "(0, 1)", ""), {"no rows"});
  expect("shape.npy", npy("|u1", "(99999999999999999999, 1)", ""), {"shape"});
  expect("dict.npy", std::string("\x93NUMPY\x01\0\x04\0{}  ", 14), {"descr"});
  expect("count.npy", npy("|u1", "(3, 1)", "abc"), {"3 rows", "2 labels"});
  const std::string floats =
      folder.write("fl.npy", npy("<f4", "(2,)", little_endian<float>({1, 2})));
  expect_operator_error([&] { open_table({good, floats, ""}); }, {floats, "floats"});
}

TEST(Csv, LabelColumnByNameByNumberAndLast) {
  TestFolder folder;
  const std::string path = folder.write("d.csv", "a,y,b\n1,2,3\n4,0,6\n");
  for (const char* column : {"y", "1"}) {
    const auto table = open_table({path, "", column});
    EXPECT_EQ(rows_of(*table), (Floats{{1, 3}, {4, 6}})) << column;
    EXPECT_EQ(labels_of(*table), (std::vector<int32_t>{2, 0})) << column;
  }
  const auto last = open_table({folder.write("p.csv", "0.5,-1e3,1\r\n+2,.25,0\r\n"), "", ""});
  EXPECT_EQ(rows_of(*last), (Floats{{0.5, -1000}, {2, 0.25}}));
  EXPECT_EQ(labels_of(*last), (std::vector<int32_t>{1, 0}));
}

// The values of a first row without header are no names.
TEST(Csv, NumberOfAColumnIsNotMistakenForAValue) {
  TestFolder folder;
  const auto table = open_table({folder.write("d.csv", "5,0,0\n3,1,2\n"), "", "0"});
  EXPECT_EQ(labels_of(*table), (std::vector<int32_t>{5, 3}));
  EXPECT_EQ(rows_of(*table), (Floats{{0, 0}, {1, 2}}));
}

TEST(Csv, QuotedFieldsAndTextLabelsInSortedOrder) {
  TestFolder folder;
  const std::string text = "x,kind\n\n1,\"sharp, \"\"red\"\"\"\n\"2\",blue\n3,\"a\nb\"\n4,blue";
  const auto table = open_table({folder.write_gzip("q.csv.gz", text), "", ""});
  EXPECT_EQ(rows_of(*table), (Floats{{1}, {2}, {3}, {4}}));
  EXPECT_EQ(table->class_names(), (std::vector<std::string>{"a\nb", "blue", "sharp, \"red\""}));
  EXPECT_EQ(labels_of(*table), (std::vector<int32_t>{2, 1, 0, 1}));
}

TEST(Csv, TestSetTakesTheClassesOfTheTrainingSet) {
  TestFolder folder;
  const auto train = open_table({folder.write("a.csv", "1,cat\n2,dog\n3,emu\n"), "", ""});
  const auto test = open_table({folder.write("b.csv", "1,emu\n2,dog\n"), "", ""}, train.get());
  EXPECT_EQ(labels_of(*test), (std::vector<int32_t>{2, 1}));
  const std::string other = folder.write("c.csv", "1,fox\n");
  expect_operator_error([&] { open_table({other, "", ""}, train.get()); }, {other, "fox"});
}

TEST(Csv, RefusesWhatItCannotRead) {
  TestFolder folder;
  const auto expect = [&](const std::string& contents, const std::string& column,
                          std::vector<std::string> parts) {
    const std::string path = folder.write("bad.csv", contents);
    parts.push_back(path);
    expect_operator_error([&] { rows_of(*open_table({path, "", column})); }, parts);
  };
  expect("", "", {"no rows"});
  expect("a,b\n", "", {"no rows"});
  expect("1\n2\n", "", {"one column"});
  expect("a,y\n1,0\n2,1,3\n", "", {"3 fields", "line 3"});
  expect("a,y\n1,0\nx,1\n", "", {"\"x\"", "line 3", "numbers"});
  expect("a,y\n1,0\n,1\n", "", {"\"\"", "line 3"});
  expect("a,y\n1,0\n", "z", {"\"z\"", "data.label_column"});
  expect("a,y\n1,0\n", "2", {"\"2\"", "from 0 to 1"});
  expect("1,-3\n", "", {"label -3"});
  expect("1,\"0\n", "", {"quote"});
}

// Whatever stands in a file: rows, or an OperatorError; never another exception or a crash.
TEST(AnyFormat, DamagedFilesAreReadOrRefused) {
  TestFolder folder;
  const std::vector<std::pair<std::string, std::string>> files = {
      {"f", idx(8, {3, 2}, kBytes)},
      {"f.npy", npy("<f4", "(3, 2)", little_endian<float>({1, 2, 3, 4, 5, 6}))},
      {"f.csv", "a,\"b\",y\n1,2,0\n3,\"4\",1\n5,6,2\n"}};
  const std::string labels = folder.write("l", idx(8, {3}, std::string("\x01\x00\x02", 3)));
  const std::string npy_labels =
      folder.write("l.npy", npy("|u1", "(3,)", std::string("\x01\x00\x02", 3)));
  size_t refused = 0;
  for (uint64_t seed = 0; seed < 900; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    auto [name, contents] = files[seed % 3];
    const uint64_t changes = 1 + rng.below(3);
    for (uint64_t i = 0; i < changes; ++i) {
      contents[rng.below(contents.size())] = static_cast<char>(rng.below(256));
    }
    if (rng.below(3) == 0) contents.resize(rng.below(contents.size() + 1));
    const std::string path = folder.write(name, contents);
    try {
      rows_of(*open_table({path, name == "f" ? labels : npy_labels, ""}));
    } catch (const OperatorError& error) {
      EXPECT_EQ(std::string(error.what()).find(path), 0u);
      ++refused;
    }
  }
  EXPECT_GT(refused, 150u);
  EXPECT_LT(refused, 850u);
}

}  // namespace
}  // namespace kith
