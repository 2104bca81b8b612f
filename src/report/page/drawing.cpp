#include "report/page/drawing.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "report/page/markup.h"

namespace kablate::page {
namespace {

struct Look {
  const char* name;    // the class
  const char* colour;  // on white; contrast 4.5 : 1 or more, but for lines of grids
};

Look look_of(Ink ink) {
  switch (ink) {
    case Ink::kText:
      return {"text", "#1a1a1a"};
    case Ink::kQuiet:
      return {"quiet", "#595959"};
    case Ink::kAxis:
      return {"axis", "#d0d0d0"};
    case Ink::kZero:
      return {"zero", "#595959"};
    case Ink::kBetter:
      return {"better", "#00695c"};
    case Ink::kWorse:
      return {"worse", "#b23c17"};
    case Ink::kSame:
      return {"same", "#2b5c9e"};
    case Ink::kOpen:
      return {"open", "#6b6b6b"};
    case Ink::kControl:
      return {"control", "#7a4f9a"};
  }
  return {"text", "#1a1a1a"};
}

std::string number(double value) { return shortest(std::round(value * 100) / 100 + 0.0); }

std::string tip_markup(const std::string& tip) {
  return tip.empty() ? "" : element("title", {}, escaped(tip));
}

}  // namespace

const char* class_of(Ink ink) { return look_of(ink).name; }

std::vector<Scale::Tick> Scale::ticks(int count) const {
  const double rough = (high_ - low_) / count;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double round : {1.0, 2.0, 5.0})
    if (round * power >= rough * 0.999) {
      step = round * power;
      break;
    }
  const int digits = std::max(0, -static_cast<int>(std::floor(std::log10(step) + 1e-9)));
  std::vector<Tick> ticks;
  for (double i = std::ceil(low_ / step - 1e-9); i * step <= high_ + step * 1e-9; ++i)
    ticks.push_back({i * step, fixed(i * step + 0.0, digits)});
  return ticks;
}

Scale scale_of(const std::vector<double>& values, double from, double to, double margin) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  KABLATE_REQUIRE(least != values.end() && std::isfinite(*least) && std::isfinite(*most), "no values");
  double room = (*most - *least) * margin;
  if (*most - *least <= std::abs(*most) * 1e-9) room = *most == 0 ? 1 : std::abs(*most) * 0.1;
  return {*least - room, *most + room, from, to};
}

Drawing::Drawing(double width, double height, std::string title, std::string description)
    : width_(width), height_(height), title_(std::move(title)), description_(std::move(description)) {}

void Drawing::line(Point a, Point b, Ink ink, bool dashed, double width) {
  const auto look = look_of(ink);
  marks_ += str("<line class=\"s-", look.name, "\" x1=\"", number(a.x), "\" y1=\"", number(a.y), "\" x2=\"",
                number(b.x), "\" y2=\"", number(b.y), "\" stroke=\"", look.colour, "\" stroke-width=\"",
                number(width), dashed ? "\" stroke-dasharray=\"4 3" : "", "\"/>");
}

void Drawing::band(Point corner, double width, double height, Ink ink) {
  const auto look = look_of(ink);
  marks_ += str("<rect class=\"f-", look.name, "\" x=\"", number(corner.x), "\" y=\"", number(corner.y),
                "\" width=\"", number(width), "\" height=\"", number(height), "\" fill=\"", look.colour,
                "\" fill-opacity=\"0.12\"/>");
}

void Drawing::cell(Point corner, double size, double shade, const std::string& words,
                   const std::string& tip) {
  constexpr double kBright = 0.7;  // where dark words stand out on any ground
  const double part = std::clamp(shade, 0.0, 1.0);
  marks_ += str("<rect x=\"", number(corner.x), "\" y=\"", number(corner.y), "\" width=\"", number(size),
                "\" height=\"", number(size), "\" class=\"s-axis\" stroke=\"#d0d0d0\" ",
                "stroke-width=\"0.5\" fill=\"#e8833a\" fill-opacity=\"", number(part), "\">", tip_markup(tip),
                "</rect><text class=\"", part > kBright ? "on-shade" : "f-text", "\" x=\"",
                number(corner.x + size / 2), "\" y=\"", number(corner.y + size / 2 + 4),
                "\" font-size=\"10\" fill=\"#1a1a1a\" text-anchor=\"middle\">", escaped(words), "</text>");
}

void Drawing::dot(Point centre, double radius, Ink ink, bool filled, const std::string& tip) {
  const auto look = look_of(ink);
  marks_ += str("<circle class=\"s-", look.name, filled ? str(" f-", look.name) : " hollow", "\" cx=\"",
                number(centre.x), "\" cy=\"", number(centre.y), "\" r=\"", number(radius), "\" fill=\"",
                filled ? look.colour : "#ffffff", "\" stroke=\"", look.colour, "\" stroke-width=\"1.5\">",
                tip_markup(tip), "</circle>");
}

void Drawing::text(Point place, std::string_view words, Ink ink, Anchor anchor, double size) {
  constexpr std::array kAnchors{"start", "middle", "end"};
  const auto look = look_of(ink);
  marks_ += str("<text class=\"f-", look.name, "\" x=\"", number(place.x), "\" y=\"", number(place.y),
                "\" font-size=\"", number(size), "\" fill=\"", look.colour, "\" text-anchor=\"",
                kAnchors[static_cast<std::size_t>(anchor)], "\">", escaped(words), "</text>");
}

std::string Drawing::markup(const std::string& id) const {
  return element("svg",
                 {{"xmlns", "http://www.w3.org/2000/svg"},
                  {"viewBox", str("0 0 ", number(width_), " ", number(height_))},
                  {"id", id},
                  {"role", "img"},
                  {"aria-labelledby", str(id, "-title ", id, "-description")},
                  {"font-family", "Helvetica, Arial, sans-serif"},
                  {"style", str("max-width:", number(width_ * 1.5), "px")}},
                 str(element("title", {{"id", id + "-title"}}, escaped(title_)),
                     element("desc", {{"id", id + "-description"}}, escaped(description_)), marks_));
}

std::string figure(const Drawing& drawing, const std::string& name, const std::string& caption,
                   const std::string& table) {
  const auto save = element("a",
                            {{"href", "#" + name},
                             {"class", "save"},
                             {"data-svg", name},
                             {"aria-label", str("save the figure ", name, " as .svg")}},
                            "save as .svg");
  return str("<figure>", drawing.markup(name), "<figcaption>", prose(caption), " ", save, "</figcaption>",
             "</figure>\n", table);
}

}  // namespace kablate::page
