#include "client/view/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "client/view/units.h"

namespace kith {

namespace {

constexpr size_t kBarMost = 24;
constexpr size_t kBarLeast = 6;
constexpr auto kSeparator = "  ";

double fraction_of(const Progress& progress) {
  if (progress.rounds == 0) return 0;
  const double done = static_cast<double>(progress.round) / static_cast<double>(progress.rounds);
  return std::clamp(done, 0.0, 1.0);
}

std::string bar(double fraction, size_t width) {
  const auto full = static_cast<size_t>(fraction * static_cast<double>(width));
  std::string text = "[";
  text.append(full, '#');
  text.append(width - full, '.');
  return text + "]";
}

// A part of the line, and how badly it is wanted: 0 = always.
struct Part {
  std::string text;
  int rank;
};

void add_speed(std::vector<Part>& parts, const Progress& progress) {
  if (progress.seconds <= 0 || progress.round == 0) return;
  const double rate = static_cast<double>(progress.round) / progress.seconds;
  parts.push_back({fmt::format("{} rounds/s", number_text(rate)), 5});
  if (progress.round < progress.rounds) {
    const double left = static_cast<double>(progress.rounds - progress.round) / rate;
    parts.push_back({duration_text(left) + " left", 4});
  }
}

std::vector<Part> parts_of(const Progress& progress) {
  std::vector<Part> parts;
  parts.push_back({fmt::format("round {}/{}", progress.round, progress.rounds), 0});
  if (!progress.warning.empty()) parts.push_back({progress.warning, 1});
  if (progress.loss) parts.push_back({"loss " + number_text(*progress.loss), 3});
  if (progress.accuracy) parts.push_back({"accuracy " + percent_text(*progress.accuracy), 2});
  if (progress.consensus_distance) {
    parts.push_back({"distance " + number_text(*progress.consensus_distance), 7});
  }
  if (progress.bytes_sent_per_node) {
    parts.push_back({bytes_text(*progress.bytes_sent_per_node) + "/node sent", 6});
  }
  add_speed(parts, progress);
  return parts;
}

std::string join(const std::vector<Part>& parts) {
  std::string text;
  for (const Part& part : parts) text += (text.empty() ? "" : kSeparator) + part.text;
  return text;
}

}  // namespace

std::string render_progress(const Progress& progress, size_t width) {
  std::vector<Part> parts = parts_of(progress);
  const size_t bar_and_gap = kBarLeast + 3;
  while (parts.size() > 1 && columns(join(parts)) + bar_and_gap > width) {
    const auto least = std::ranges::max_element(parts, {}, &Part::rank);
    parts.erase(least);
  }
  const std::string text = join(parts);
  if (columns(text) + bar_and_gap > width) return text.substr(0, width);
  const size_t room = width - columns(text) - 3;
  return bar(fraction_of(progress), std::min(room, kBarMost)) + " " + text;
}

ProgressView::ProgressView(bool json) : out_(json ? stderr : stdout) {
  if (::isatty(::fileno(out_))) {
    mode_ = ViewMode::kTerminal;
  } else {
    mode_ = json ? ViewMode::kSilent : ViewMode::kLines;
  }
}

size_t ProgressView::width() const {
  winsize size{};
  const bool known = ::ioctl(::fileno(out_), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  // The last column is left free: some terminals wrap when it is written.
  return known ? size.ws_col - 1u : 79u;
}

void ProgressView::draw() {
  std::fprintf(out_, "\r\033[K%s", drawn_.c_str());
  std::fflush(out_);
}

void ProgressView::update(const Progress& progress) {
  using std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kRedraw{200};
  constexpr std::chrono::seconds kLine{2};
  if (mode_ == ViewMode::kSilent) return;
  if (mode_ == ViewMode::kLines && progress.round == 0) return;
  const auto now = steady_clock::now();
  const auto pause = mode_ == ViewMode::kTerminal ? steady_clock::duration(kRedraw) : kLine;
  if (last_ && now - *last_ < pause) return;
  last_ = now;
  if (mode_ == ViewMode::kTerminal) {
    drawn_ = render_progress(progress, width());
    draw();
  } else {
    std::fprintf(out_, "%s\n", join(parts_of(progress)).c_str());
    std::fflush(out_);
  }
}

void ProgressView::say(const std::string& line) {
  if (mode_ == ViewMode::kSilent) return;
  const std::string again = drawn_;
  clear();
  std::fprintf(out_, "%s\n", line.c_str());
  std::fflush(out_);
  if (again.empty()) return;
  drawn_ = again;
  draw();
}

void ProgressView::clear() {
  if (mode_ != ViewMode::kTerminal || drawn_.empty()) return;
  std::fputs("\r\033[K", out_);
  std::fflush(out_);
  drawn_.clear();
}

}  // namespace kith
