// A figure as SVG that stands by itself: saved from the page it goes into a paper as it is. The page's style
// sheet recolours it by its classes where the reader's screen is dark.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kablate::page {

struct Point {
  double x = 0, y = 0;
};

// How a mark looks; each is a class in the page and attributes in the file.
enum class Ink {
  kText,    // what is read first
  kQuiet,   // labels of axes, small print
  kAxis,    // lines of axes and grids
  kZero,    // the line of no change
  kBetter,  // marks of a verdict
  kWorse,
  kSame,  // no difference larger than
  kOpen,  // not enough seeds
  kControl,
};

const char* class_of(Ink ink);  // "better", …

// A straight map of values to places.
class Scale {
 public:
  Scale(double low, double high, double from, double to) : low_(low), high_(high), from_(from), to_(to) {}

  double operator()(double value) const { return from_ + (value - low_) / (high_ - low_) * (to_ - from_); }
  double low() const { return low_; }
  double high() const { return high_; }

  // About `count` round values within, with as many digits as tell them apart.
  struct Tick {
    double value = 0;
    std::string text;
  };
  std::vector<Tick> ticks(int count) const;

 private:
  double low_, high_, from_, to_;
};

// The scale of `values`, widened by `margin` of their range at each end; of a single value around it.
// REQUIRES: there is one, all finite.
Scale scale_of(const std::vector<double>& values, double from, double to, double margin = 0.05);

class Drawing {
 public:
  // `title` and `description` are what a screen reader hears.
  Drawing(double width, double height, std::string title, std::string description);

  void line(Point a, Point b, Ink ink, bool dashed = false, double width = 1);
  void band(Point corner, double width, double height, Ink ink);  // a pale rectangle
  // Of a map: shaded from 0 to 1, with words in its middle.
  void cell(Point corner, double size, double shade, const std::string& words, const std::string& tip);
  void dot(Point centre, double radius, Ink ink, bool filled, const std::string& tip = "");
  enum class Anchor { kStart, kMiddle, kEnd };
  void text(Point place, std::string_view words, Ink ink = Ink::kText, Anchor anchor = Anchor::kStart,
            double size = 12);

  std::string markup(const std::string& id) const;  // the <svg>

 private:
  double width_, height_;
  std::string title_, description_, marks_;
};

// The figure with its caption, the link that saves it as NAME.svg, and the table of what it shows.
std::string figure(const Drawing& drawing, const std::string& name, const std::string& caption,
                   const std::string& table);

}  // namespace kablate::page
