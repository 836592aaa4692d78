#include "client/fault_list.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "topology/error.h"
#include "topology/options.h"

namespace kith {

namespace {

using Kind = Fault::Kind;

enum class Takes : uint8_t { kNobody, kNode, kPeer, kShare, kFactor, kSeconds };

struct Word {
  Kind kind;
  const char* text;
  Takes takes;
};

constexpr std::array kWords = {
    Word{Kind::kCrash, "crash", Takes::kNode},
    Word{Kind::kRestart, "restart", Takes::kNode},
    Word{Kind::kGoBack, "go-back", Takes::kNobody},
    Word{Kind::kSleep, "sleep", Takes::kNode},
    Word{Kind::kWake, "wake", Takes::kNode},
    Word{Kind::kSlow, "slow", Takes::kFactor},
    Word{Kind::kSkew, "skew", Takes::kFactor},
    Word{Kind::kCut, "cut", Takes::kPeer},
    Word{Kind::kJoin, "join", Takes::kPeer},
    Word{Kind::kLose, "lose", Takes::kShare},
    Word{Kind::kDouble, "double", Takes::kShare},
    Word{Kind::kDelay, "delay", Takes::kSeconds},
    Word{Kind::kDamage, "damage", Takes::kShare},
    Word{Kind::kFullDisk, "full-disk", Takes::kNode},
    Word{Kind::kFreeDisk, "free-disk", Takes::kNode},
};

bool has_amount(Takes takes) {
  return takes == Takes::kShare || takes == Takes::kFactor || takes == Takes::kSeconds;
}

bool good_amount(Takes takes, double amount) {
  constexpr double kMost = 1e6;
  if (!(amount >= 0) || amount > kMost) return false;
  if (takes == Takes::kShare) return amount <= 1;
  return takes != Takes::kFactor || amount > 0;
}

class LineReader {
 public:
  LineReader(const std::string& line, uint32_t nodes, std::string where)
      : words_(line), nodes_(nodes), where_(std::move(where)) {}

  Fault read() {
    Fault fault;
    const double at = number("a time in seconds");
    if (!(at >= 0) || at > kLatest) refuse("its time must be from 0 to 1e9 s");
    fault.at = Time(from_seconds(at));
    const Word& word = kind();
    fault.kind = word.kind;
    if (word.takes != Takes::kNobody) fault.node = node();
    if (word.takes == Takes::kPeer) fault.peer = node();
    if (has_amount(word.takes)) {
      fault.amount = number("how much");
      if (!good_amount(word.takes, fault.amount)) {
        refuse(word.takes == Takes::kShare ? "a probability is from 0 to 1"
                                           : "its amount must be above 0, and at most 1e6");
      }
    }
    std::string rest;
    if (words_ >> rest) refuse("\"" + rest + "\" is too much");
    return fault;
  }

 private:
  static constexpr double kLatest = 1e9;

  const Word& kind() {
    std::string text;
    words_ >> text;
    const auto found =
        std::ranges::find_if(kWords, [&](const Word& word) { return word.text == text; });
    if (found != kWords.end()) return *found;
    std::string known;
    for (const Word& word : kWords) {
      if (!known.empty()) known += ", ";
      known += word.text;
    }
    refuse("\"" + text + "\" is no fault: known are " + known);
  }

  double number(const char* what) {
    double value = 0;
    if (!(words_ >> value)) refuse(std::string("it lacks ") + what);
    return value;
  }

  NodeId node() {
    const double value = number("a node");
    if (value >= 0 && value < nodes_ && value == std::floor(value)) {
      return NodeId{static_cast<uint32_t>(value)};
    }
    refuse("there is no node " + to_text(value) + ": they are 0 to " + std::to_string(nodes_ - 1));
  }

  [[noreturn]] void refuse(const std::string& why) const {
    throw OperatorError(where_ + ": " + why);
  }

  std::istringstream words_;
  const uint32_t nodes_;
  const std::string where_;
};

}  // namespace

std::string render_faults(std::span<const Fault> faults) {
  std::string text;
  for (const Fault& fault : faults) {
    const Word& word = *std::ranges::find(kWords, fault.kind, &Word::kind);
    char time[32];
    std::snprintf(time, sizeof(time), "%.9f ", seconds(fault.at));
    text += time;
    text += word.text;
    const auto append = [&text](const std::string& item) { text.append(1, ' ').append(item); };
    if (word.takes != Takes::kNobody) append(std::to_string(index_of(fault.node)));
    if (word.takes == Takes::kPeer) append(std::to_string(index_of(fault.peer)));
    if (has_amount(word.takes)) append(to_text(fault.amount));
    text += '\n';
  }
  return text;
}

std::vector<Fault> parse_faults(const std::string& text, uint32_t nodes, const std::string& where) {
  std::vector<Fault> faults;
  std::istringstream lines(text);
  std::string line;
  for (size_t number = 1; std::getline(lines, line); ++number) {
    line = line.substr(0, line.find('#'));
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    faults.push_back(LineReader(line, nodes, where + ", line " + std::to_string(number)).read());
  }
  std::ranges::stable_sort(faults, {}, &Fault::at);
  return faults;
}

}  // namespace kith
