// Functions that look at labels: label_replace, label_join and the sorts. The first two change the list of series and
// leave the values alone, so their work is done once per list. Sorting means something at a single step only, as the
// order of a range query's series is fixed.

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "rules/promql/functions.h"
#include "rules/promql/plan.h"

namespace tocsin::promql {
namespace {

const std::string& text_arg(const Call& call, std::size_t i) {
  return unwrap(*call.args[i]).as<StringLiteral>()->text;
}
bool is_label_name(std::string_view name) {
  return !name.empty() && is_valid_utf8(name);
}

/// Label values grow exponentially when these functions are put into one another.
constexpr std::size_t kValueBytesMax = std::size_t{1} << 20;
void check_size(std::size_t bytes) {
  if (bytes > kValueBytesMax) throw Stopped{Error{fmt::format("a label value of more than {} bytes", kValueBytesMax)}};
}

/// Go's Regexp.Expand: `$1`, `${name}`, `$$`; a name is as long as letters, digits and underscores go.
std::string expand(const std::string& pattern, const re2::RE2& regex, const std::vector<re2::StringPiece>& groups) {
  std::string out;
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  for (std::size_t i = 0; i < pattern.size();) {
    if (pattern[i] != '$') {
      out += pattern[i++];
      continue;
    }
    if (i + 1 < pattern.size() && pattern[i + 1] == '$') {
      out += '$';
      i += 2;
      continue;
    }
    const bool brace = i + 1 < pattern.size() && pattern[i + 1] == '{';
    const std::size_t begin = i + (brace ? 2 : 1);
    std::size_t end = begin;
    while (end < pattern.size() && is_word(pattern[end])) ++end;
    if (end == begin || (brace && (end >= pattern.size() || pattern[end] != '}'))) {
      out += pattern[i++];  // malformed: stands for itself
      continue;
    }
    const std::string name = pattern.substr(begin, end - begin);
    std::size_t group = groups.size();
    if (std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) {
      if (name.size() < 6) group = std::stoul(name);
    } else if (const auto at = regex.NamedCapturingGroups().find(name); at != regex.NamedCapturingGroups().end()) {
      group = static_cast<std::size_t>(at->second);
    }
    if (group < groups.size() && groups[group].data() != nullptr)
      out.append(groups[group].data(), groups[group].size());
    check_size(out.size());
    i = end + (brace ? 1 : 0);
  }
  return out;
}

class LabelReplace final : public VectorNode {
 public:
  LabelReplace(const Call& call, VectorNodePtr inner)
      : inner_(std::move(inner)),
        to_(text_arg(call, 1)),
        replacement_(text_arg(call, 2)),
        from_(text_arg(call, 3)),
        pattern_(text_arg(call, 4)),
        regex_("^(?s:" + pattern_ + ")$", re2::RE2::Quiet) {}

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    if (!regex_.ok()) return fail("invalid regular expression in label_replace(): {}", pattern_);
    if (!is_label_name(to_)) return fail("invalid destination label name in label_replace(): {}", to_);
    auto in = inner_->eval(e, steps);
    if (!in) return in;
    return renamed_.apply(e, std::move(*in), Relabelling::Collision::kMerge, [&](OutSeries& s) { replace(s); });
  }

 private:
  void replace(OutSeries& s) const {
    const std::string_view value = s.labels.get(from_);
    std::vector<re2::StringPiece> groups(static_cast<std::size_t>(regex_.NumberOfCapturingGroups()) + 1);
    const re2::StringPiece text(value.data() == nullptr ? "" : value.data(), value.size());
    if (!regex_.Match(text, 0, text.size(), re2::RE2::ANCHOR_BOTH, groups.data(), static_cast<int>(groups.size())))
      return;
    s.labels = LabelsBuilder(s.labels).set(to_, expand(replacement_, regex_, groups)).labels();
    if (to_ == kMetricName) s.drop_name = false;
  }

  VectorNodePtr inner_;
  const std::string to_, replacement_, from_, pattern_;
  const re2::RE2 regex_;
  Relabelling renamed_;
};

class LabelJoin final : public VectorNode {
 public:
  LabelJoin(const Call& call, VectorNodePtr inner)
      : inner_(std::move(inner)), to_(text_arg(call, 1)), separator_(text_arg(call, 2)) {
    for (std::size_t i = 3; i < call.args.size(); ++i) from_.push_back(text_arg(call, i));
  }

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    for (const std::string& name : from_) {
      if (!is_label_name(name)) return fail("invalid source label name in label_join(): {}", name);
    }
    if (!is_label_name(to_)) return fail("invalid destination label name in label_join(): {}", to_);
    auto in = inner_->eval(e, steps);
    if (!in) return in;
    return renamed_.apply(e, std::move(*in), Relabelling::Collision::kMerge, [&](OutSeries& s) {
      std::vector<std::string_view> values;
      std::size_t bytes = separator_.size() * from_.size();
      for (const std::string& name : from_) {
        values.push_back(s.labels.get(name));
        check_size(bytes += values.back().size());
      }
      s.labels = LabelsBuilder(s.labels).set(to_, fmt::format("{}", fmt::join(values, separator_))).labels();
      if (to_ == kMetricName) s.drop_name = false;
    });
  }

 private:
  VectorNodePtr inner_;
  const std::string to_, separator_;
  std::vector<std::string> from_;
  Relabelling renamed_;
};

/// Sets labels to fixed values; "" takes a label away.
class LabelSet final : public VectorNode {
 public:
  LabelSet(const Call& call, VectorNodePtr inner) : inner_(std::move(inner)) {
    for (std::size_t i = 1; i + 1 < call.args.size(); i += 2) {
      labels_.emplace_back(text_arg(call, i), text_arg(call, i + 1));
    }
  }

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    for (const auto& [name, value] : labels_) {
      if (!is_label_name(name)) return fail("invalid label name in label_set(): {}", name);
    }
    auto in = inner_->eval(e, steps);
    if (!in) return in;
    return renamed_.apply(e, std::move(*in), Relabelling::Collision::kMerge, [&](OutSeries& s) {
      LabelsBuilder builder(s.labels);
      for (const auto& [name, value] : labels_) {
        builder.set(name, value);
        if (name == kMetricName) s.drop_name = false;
      }
      s.labels = builder.labels();
    });
  }

 private:
  VectorNodePtr inner_;
  LabelList labels_;
  Relabelling renamed_;
};

/// Compares runs of digits as numbers: "cpu2" before "cpu10".
int natural_compare(std::string_view a, std::string_view b) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto chunk = [&](std::string_view text) {
    std::size_t n = 1;
    while (n < text.size() && is_digit(text[n]) == is_digit(text[0])) ++n;
    return text.substr(0, n);
  };
  while (!a.empty() && !b.empty()) {
    const std::string_view x = chunk(a), y = chunk(b);
    a.remove_prefix(x.size());
    b.remove_prefix(y.size());
    if (is_digit(x[0]) && is_digit(y[0])) {
      const std::string_view p = x.substr(std::min(x.find_first_not_of('0'), x.size()));
      const std::string_view q = y.substr(std::min(y.find_first_not_of('0'), y.size()));
      if (p.size() != q.size()) return p.size() < q.size() ? -1 : 1;
      if (const int order = p.compare(q); order != 0) return order;
    } else if (const int order = x.compare(y); order != 0) {
      return order;
    }
  }
  return static_cast<int>(!a.empty()) - static_cast<int>(!b.empty());
}

class Sort final : public VectorNode {
 public:
  Sort(const Expr& expr, const Call& call, VectorNodePtr inner) : expr_(expr), call_(call), inner_(std::move(inner)) {
    for (std::size_t i = 1; i < call.args.size(); ++i) labels_.push_back(text_arg(call, i));
  }

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto in = inner_->eval(e, steps);
    if (steps.count != 1) {
      e.warn("sort is ineffective for range queries since results are always ordered by labels", expr_);
      return in;
    }
    if (!in) return in;
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < in->rows(); ++i) {
      if (!is_absent(in->row(i)[0])) order.push_back(i);
    }
    const auto kind = std::get<Special>(call_.function->kernel);
    const bool descending = kind == Special::kSortDesc || kind == Special::kSortByLabelDesc;
    const bool by_value = kind == Special::kSort || kind == Special::kSortDesc;
    std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
      if (by_value) return value_before(in->row(a)[0], in->row(b)[0], descending);
      const int compared = compare_labels((*in->series)[a].labels, (*in->series)[b].labels);
      return descending ? compared > 0 : compared < 0;
    });
    auto list = std::make_shared<SeriesList>();
    for (const std::size_t i : order) list->push_back((*in->series)[i]);
    auto out = e.block(std::move(list), 1);
    if (!out) return out;
    for (std::size_t i = 0; i < order.size(); ++i) out->row(i)[0] = in->row(order[i])[0];
    return out;
  }

 private:
  /// NaN comes last either way.
  static bool value_before(double a, double b, bool descending) {
    if (std::isnan(a) || std::isnan(b)) return !std::isnan(a) && std::isnan(b);
    return descending ? a > b : a < b;
  }
  int compare_labels(const Labels& a, const Labels& b) const {
    for (const std::string& name : labels_) {
      const std::string_view x = a.get(name), y = b.get(name);
      if (x == y) continue;
      const int order = natural_compare(x, y);
      return order != 0 ? order : x.compare(y);
    }
    return a < b ? -1 : a == b ? 0 : 1;
  }

  const Expr& expr_;
  const Call& call_;
  VectorNodePtr inner_;
  std::vector<std::string> labels_;
};

}  // namespace

VectorNodePtr make_label_replace(const Call& call, Planner& planner) {
  return std::make_unique<LabelReplace>(call, planner.vector(*call.args[0]));
}
VectorNodePtr make_label_join(const Call& call, Planner& planner) {
  return std::make_unique<LabelJoin>(call, planner.vector(*call.args[0]));
}
VectorNodePtr make_label_set(const Call& call, Planner& planner) {
  return std::make_unique<LabelSet>(call, planner.vector(*call.args[0]));
}
VectorNodePtr make_sort(const Expr& expr, Planner& planner) {
  const Call& call = *expr.as<Call>();
  return std::make_unique<Sort>(expr, call, planner.vector(*call.args[0]));
}

}  // namespace tocsin::promql
