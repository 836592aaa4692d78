#include "client/view/graph_svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "client/view/units.h"
#include "topology/error.h"
#include "topology/layout.h"

namespace kith {

namespace {

constexpr double kSide = 760;  // of the drawing; pixels, as all lengths here
constexpr double kMargin = 44;
constexpr double kCaption = 36;
constexpr double kLargestNode = 17;
constexpr double kSmallestNode = 2.5;
constexpr double kNumbered = 7;  // radius from which a number fits
constexpr auto kPaper = "#ffffff";
constexpr auto kInk = "#1f2d3d";
constexpr auto kEdge = "#7d8fa3";
constexpr auto kNode = "#2b6cb0";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
  }
  return out;
}

double distance(Point a, Point b) { return std::hypot(a.x - b.x, a.y - b.y); }

class Drawing {
 public:
  Drawing(const Graph& graph, std::vector<Arc> arcs)
      : arcs_(std::move(arcs)),
        directed_(!graph.undirected()),
        layout_(layout_of(graph.nodes(), arcs_)) {
    place();
    const double density = static_cast<double>(arcs_.size()) / (directed_ ? 1 : 2);
    stroke_ = std::clamp(2.2 - 0.25 * std::log2(1 + density / 16), 0.35, 2.0);
  }

  std::string svg(const std::string& caption) {
    const double height = height_ + kCaption;
    out_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
        "viewBox=\"0 0 {0:.0f} {1:.0f}\">\n<rect width=\"100%\" height=\"100%\" fill=\"{2}\"/>\n",
        width_, height, kPaper);
    out_ += fmt::format("<g stroke=\"{}\" stroke-width=\"{:.2f}\" fill=\"{}\">\n", kEdge, stroke_,
                        kEdge);
    for (const Arc& arc : arcs_) draw(arc);
    out_ +=
        fmt::format("</g>\n<g fill=\"{}\" stroke=\"{}\" stroke-width=\"1.2\">\n", kNode, kPaper);
    for (const Point& p : layout_.points) {
      out_ +=
          fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\"/>\n", p.x, p.y, radius_);
    }
    out_ += "</g>\n";
    if (radius_ >= kNumbered) number_nodes();
    out_ += fmt::format(
        "<text x=\"{:.0f}\" y=\"{:.0f}\" font-family=\"sans-serif\" font-size=\"15\" fill=\"{}\" "
        "text-anchor=\"middle\">{}</text>\n</svg>\n",
        width_ / 2, height - 16, kInk, escaped(caption));
    return std::move(out_);
  }

 private:
  // Scales the layout to the drawing; nodes as large as the nearest two allow.
  void place() {
    std::vector<Point>& points = layout_.points;
    Point low = points[0];
    Point high = points[0];
    for (const Point& p : points) {
      low = {std::min(low.x, p.x), std::min(low.y, p.y)};
      high = {std::max(high.x, p.x), std::max(high.y, p.y)};
    }
    const double extent = std::max({high.x - low.x, high.y - low.y, 1e-9});
    const double scale = (kSide - 2 * kMargin) / extent;
    width_ = std::max((high.x - low.x) * scale + 2 * kMargin, kSide / 2);
    height_ = (high.y - low.y) * scale + 2 * kMargin;
    const double left = (width_ - (high.x - low.x) * scale) / 2;
    for (Point& p : points) p = {left + (p.x - low.x) * scale, kMargin + (p.y - low.y) * scale};
    double nearest = 3 * kLargestNode;
    for (size_t i = 0; i < points.size(); ++i) {
      for (size_t j = 0; j < i; ++j) nearest = std::min(nearest, distance(points[i], points[j]));
    }
    radius_ = std::clamp(nearest / 3, kSmallestNode, kLargestNode);
  }

  void draw(const Arc& arc) {
    if (!directed_ && arc.first > arc.second) return;
    if (wraps(arc)) return draw_wrap(arc);
    const Point from = layout_.points[arc.first];
    const Point to = layout_.points[arc.second];
    const double length = std::max(distance(from, to), 1e-9);
    const Point unit{(to.x - from.x) / length, (to.y - from.y) / length};
    const double head = directed_ ? arrow() : 0;
    const double end = length - radius_ - head;
    line(from, {from.x + unit.x * end, from.y + unit.y * end}, false);
    if (!directed_) return;
    const Point tip{to.x - unit.x * radius_, to.y - unit.y * radius_};
    const Point base{tip.x - unit.x * head, tip.y - unit.y * head};
    const Point side{-unit.y * head * 0.42, unit.x * head * 0.42};
    out_ += fmt::format(
        "<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}L{:.1f} {:.1f}z\" fill=\"{}\" stroke=\"none\"/>\n",
        tip.x, tip.y, base.x + side.x, base.y + side.y, base.x - side.x, base.y - side.y, kInk);
  }

  double arrow() const { return std::clamp(radius_ * 0.75, 4.0, 10.0); }

  // On a grid: from one border to the other.
  bool wraps(const Arc& arc) const {
    if (layout_.kind != Layout::Kind::kGrid) return false;
    const uint32_t step = arc.second - arc.first;  // undirected: first < second
    return step != 1 && step != layout_.columns;
  }

  void draw_wrap(const Arc& arc) {
    const Point from = layout_.points[arc.first];
    const Point to = layout_.points[arc.second];
    const double length = distance(from, to);
    const double reach = radius_ + 0.55 * (kMargin - radius_);
    const Point unit{(to.x - from.x) / length * reach, (to.y - from.y) / length * reach};
    line(from, {from.x - unit.x, from.y - unit.y}, true);
    line(to, {to.x + unit.x, to.y + unit.y}, true);
  }

  void line(Point from, Point to, bool dashed) {
    out_ += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"{}/>\n",
                        from.x, from.y, to.x, to.y, dashed ? " stroke-dasharray=\"4 3\"" : "");
  }

  void number_nodes() {
    const size_t digits = std::to_string(layout_.points.size() - 1).size();
    const double size = radius_ * (digits < 3 ? 1.0 : 0.8);
    out_ += fmt::format(
        "<g font-family=\"sans-serif\" font-size=\"{:.1f}\" fill=\"{}\" text-anchor=\"middle\">\n",
        size, kPaper);
    for (size_t i = 0; i < layout_.points.size(); ++i) {
      out_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", layout_.points[i].x,
                          layout_.points[i].y + 0.35 * size, i);
    }
    out_ += "</g>\n";
  }

  std::vector<Arc> arcs_;
  bool directed_;
  Layout layout_;
  double width_ = 0;
  double height_ = 0;
  double radius_ = 0;
  double stroke_ = 1;
  std::string out_;
};

}  // namespace

std::string graph_svg(const Graph& graph, const std::string& caption) {
  std::vector<Arc> arcs;
  if (graph.nodes() <= kDrawnNodes) arcs = arcs_over_rounds(graph);
  if (graph.nodes() > kDrawnNodes || arcs.size() > kDrawnArcs) {
    throw OperatorError("--svg draws at most " + count_text(kDrawnNodes) + " nodes and " +
                        count_text(kDrawnArcs) +
                        " links, for nobody can see more; take fewer nodes");
  }
  return Drawing(graph, std::move(arcs)).svg(caption);
}

}  // namespace kith
