// Aggregations. Which group a series belongs to, and the labels of the groups, are found once per list of series; an
// evaluation then runs over the rows of the block with one accumulator per group and step.

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "rules/promql/functions.h"
#include "rules/promql/plan.h"
#include "rules/promql/series_hash.h"

namespace tocsin::promql {
namespace {

/// The labels that name the group of a series.
Labels group_labels(const Labels& labels, const std::vector<std::string>& grouping, bool without) {
  if (without) {
    LabelsBuilder builder(labels);
    for (const std::string& name : grouping) builder.del(name);
    return builder.del(kMetricName).labels();
  }
  LabelList kept;
  for (const std::string& name : grouping) kept.emplace_back(name, labels.get(name));
  return Labels(kept);
}

/// Which row goes into which group; kept while the list of series is the same.
class Groups {
 public:
  Groups(const std::vector<std::string>& grouping, bool without) : grouping_(grouping), without_(without) {}

  void update(Evaluation& e, const SeriesListPtr& series) {
    if (series == from_) return;
    from_ = series;
    group_of_.clear();
    auto list = std::make_shared<SeriesList>();
    std::unordered_map<Labels, std::uint32_t> index;
    for (const OutSeries& s : *series) {
      e.work(kSeriesWork);
      Labels labels = group_labels(s.labels, grouping_, without_);
      const auto [at, made] = index.try_emplace(labels, static_cast<std::uint32_t>(list->size()));
      if (made) list->push_back({std::move(labels), false});
      // `by (__name__)` keeps a name that is still to go, and so it must go from the result.
      (*list)[at->second].drop_name |= s.drop_name;
      group_of_.push_back(at->second);
    }
    series_ = std::move(list);
  }
  std::uint32_t of(std::size_t row) const { return group_of_[row]; }
  std::size_t count() const { return series_->size(); }
  const SeriesListPtr& series() const { return series_; }

 private:
  const std::vector<std::string>& grouping_;
  const bool without_;
  SeriesListPtr from_;
  SeriesListPtr series_;
  std::vector<std::uint32_t> group_of_;
};

// The accumulators. add() sees each present value of a group; value() is asked when there was at least one.

struct Sum {
  double sum = 0, c = 0;
  bool first = true;
  void add(double v) {
    KahanSum k{sum, c};
    if (std::exchange(first, false)) {
      k.sum = v;
    } else {
      k.add(v);
    }
    sum = k.sum;
    c = k.c;
  }
  double value() const { return sum + c; }
};
struct Avg {
  KahanSum sum, mean;
  double count = 0;
  bool incremental = false;
  void add(double v) {
    count += 1;
    if (count == 1) {
      sum.sum = v;
      return;
    }
    if (!incremental) {
      KahanSum next = sum;
      next.add(v);
      if (!std::isinf(next.sum)) {
        sum = next;
        return;
      }
      incremental = true;
      mean = {sum.sum / (count - 1), sum.c / (count - 1)};
    }
    const double q = (count - 1) / count;
    mean = {q * mean.sum, q * mean.c};
    mean.add(v / count);
  }
  double value() const { return incremental ? mean.value() : sum.sum / count + sum.c / count; }
};
struct Count {
  double count = 0;
  void add(double) { count += 1; }
  double value() const { return count; }
};
struct Group {
  void add(double) {}
  double value() const { return 1; }
};
struct Min {
  double v = kNaN;
  void add(double x) {
    if (v > x || std::isnan(v)) v = x;
  }
  double value() const { return v; }
};
struct Max {
  double v = kNaN;
  void add(double x) {
    if (v < x || std::isnan(v)) v = x;
  }
  double value() const { return v; }
};
struct Stdvar {
  double count = 0, mean = 0, squares = 0;
  void add(double v) {
    count += 1;
    if (count == 1) {
      mean = v;
      squares = std::isfinite(v) ? 0 : kNaN;
      return;
    }
    const double delta = v - mean;
    mean += delta / count;
    squares += delta * (v - mean);
  }
  double value() const { return squares / count; }
};
struct Stddev : Stdvar {
  double value() const { return std::sqrt(Stdvar::value()); }
};

template <class Accumulator>
class SimpleAggregate final : public VectorNode {
 public:
  SimpleAggregate(const Aggregate& node, VectorNodePtr inner)
      : groups_(node.grouping, node.without), inner_(std::move(inner)) {}

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto in = inner_->eval(e, steps);
    if (!in) return in;
    groups_.update(e, in->series);
    auto out = e.block(groups_.series(), steps.count);
    if (!out) return out;
    state_.assign(groups_.count() * steps.count, State{});
    for (std::size_t row = 0; row < in->rows(); ++row) {
      e.work(steps.count);
      const double* const values = in->row(row);
      State* const state = &state_[groups_.of(row) * steps.count];
      for (std::size_t s = 0; s < steps.count; ++s) {
        if (is_absent(values[s])) continue;
        state[s].any = true;
        state[s].accumulator.add(values[s]);
      }
    }
    for (std::size_t i = 0; i < state_.size(); ++i) {
      if (state_[i].any) out->values()[i] = state_[i].accumulator.value();
    }
    return out;
  }

 private:
  struct State {
    Accumulator accumulator;
    bool any = false;
  };
  Groups groups_;
  VectorNodePtr inner_;
  std::vector<State> state_;
};

/// Calls visit(step, group rows present at that step), group by group; rows in their order.
class ByGroup {
 public:
  template <class Visit>
  void each(Evaluation& e, const Block& in, const Groups& groups, Visit&& visit) {
    members_.resize(groups.count());
    for (std::size_t s = 0; s < in.steps(); ++s) {
      e.work(in.rows() * 4);
      for (auto& m : members_) m.clear();
      for (std::size_t row = 0; row < in.rows(); ++row) {
        if (!is_absent(in.row(row)[s])) members_[groups.of(row)].push_back(static_cast<std::uint32_t>(row));
      }
      for (std::size_t g = 0; g < members_.size(); ++g) {
        if (!members_[g].empty()) visit(s, g, members_[g]);
      }
    }
  }

 private:
  std::vector<std::vector<std::uint32_t>> members_;
};

class Quantile final : public VectorNode {
 public:
  Quantile(const Aggregate& node, ScalarNodePtr parameter, VectorNodePtr inner)
      : node_(node), groups_(node.grouping, node.without), parameter_(std::move(parameter)), inner_(std::move(inner)) {}

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto q = parameter_->eval(e, steps);
    if (!q) return tl::make_unexpected(q.error());
    auto in = inner_->eval(e, steps);
    if (!in) return in;
    warn(e, *q);
    groups_.update(e, in->series);
    auto out = e.block(groups_.series(), steps.count);
    if (!out) return out;
    by_group_.each(e, *in, groups_, [&](std::size_t s, std::size_t g, const std::vector<std::uint32_t>& rows) {
      values_.clear();
      for (const std::uint32_t row : rows) values_.push_back(in->row(row)[s]);
      out->row(g)[s] = quantile((*q)[s], values_);
    });
    return out;
  }

 private:
  void warn(Evaluation& e, const std::vector<double>& q) const {
    double low = 0, high = 1;
    bool nan = false;
    for (const double v : q) {
      nan |= std::isnan(v);
      low = std::min(low, v);
      high = std::max(high, v);
    }
    const auto tell = [&](double v) {
      e.warn("quantile value should be between 0 and 1, got " + format_go_g(v), *node_.parameter);
    };
    if (nan) tell(kNaN);
    if (high > 1) tell(high);
    if (low < 0) tell(low);
  }

  const Aggregate& node_;
  Groups groups_;
  ScalarNodePtr parameter_;
  VectorNodePtr inner_;
  ByGroup by_group_;
  std::vector<double> values_;
};

/// topk, bottomk, limitk and limit_ratio choose among the series and leave them as they are. At a single step the
/// chosen ones come out in their order: by value, group by group.
class Choose final : public VectorNode {
 public:
  Choose(const Aggregate& node, ScalarNodePtr parameter, VectorNodePtr inner)
      : node_(node), groups_(node.grouping, node.without), parameter_(std::move(parameter)), inner_(std::move(inner)) {}

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto parameter = parameter_->eval(e, steps);
    if (!parameter) return tl::make_unexpected(parameter.error());
    auto in = inner_->eval(e, steps);
    if (!in) return in;
    if (auto ok = check(e, *parameter); !ok) return tl::make_unexpected(ok.error());
    groups_.update(e, in->series);
    if (steps.count == 1) return ordered(e, *in, (*parameter)[0]);
    auto out = e.block(in->series, steps.count);
    if (!out) return out;
    by_group_.each(e, *in, groups_, [&](std::size_t s, std::size_t, std::vector<std::uint32_t>& rows) {
      choose(*in, s, (*parameter)[s], rows);
      for (const std::uint32_t row : rows) out->row(row)[s] = in->row(row)[s];
    });
    return out;
  }

 private:
  Result<Block> ordered(Evaluation& e, const Block& in, double parameter) {
    auto list = std::make_shared<SeriesList>();
    std::vector<double> values;
    by_group_.each(e, in, groups_, [&](std::size_t, std::size_t, std::vector<std::uint32_t>& rows) {
      choose(in, 0, parameter, rows);
      for (const std::uint32_t row : rows) {
        list->push_back((*in.series)[row]);
        values.push_back(in.row(row)[0]);
      }
    });
    auto out = e.block(std::move(list), 1);
    if (out) std::ranges::copy(values, out->values().begin());
    return out;
  }

  Result<void> check(Evaluation& e, const std::vector<double>& values) const {
    const bool nan = std::ranges::any_of(values, [](double v) { return std::isnan(v); });
    const auto [low, high] = std::ranges::minmax(values);
    if (node_.op == AggregateOp::kLimitRatio) {
      if (nan) return fail("Ratio value is NaN");
      const auto tell = [&](double v, double to) {
        e.warn(fmt::format("ratio value should be between -1 and 1, got {}, capping to {}", format_go_g(v),
                           format_go_g(to)),
               *node_.parameter);
      };
      if (high > 1) tell(high, 1);
      if (low < -1) tell(low, -1);
      return {};
    }
    if (nan) return fail("Parameter value is NaN");
    if (high < 1) return {};
    if (low <= -9223372036854775808.0) return fail("Scalar value {} underflows int64", format_go_g(low));
    if (high >= 9223372036854774784.0) return fail("Scalar value {} overflows int64", format_go_g(high));
    return {};
  }

  /// Leaves in `rows` those that are chosen, in their order.
  void choose(const Block& in, std::size_t step, double parameter, std::vector<std::uint32_t>& rows) const {
    if (node_.op == AggregateOp::kLimitRatio) {
      const double ratio = std::clamp(parameter, -1.0, 1.0);
      std::erase_if(rows, [&](std::uint32_t row) {
        const double at = static_cast<double>(prometheus_hash((*in.series)[row].labels)) / 18446744073709551615.0;
        return !(ratio >= 0 ? at < ratio : at >= 1 + ratio);
      });
      return;
    }
    const std::size_t k = parameter < 1 ? 0 : static_cast<std::size_t>(std::min(parameter, 1e9));
    if (node_.op != AggregateOp::kLimitk) {
      const bool top = node_.op == AggregateOp::kTopk;
      const auto before = [&](std::uint32_t a, std::uint32_t b) {
        const double x = in.row(a)[step], y = in.row(b)[step];
        if (std::isnan(x) || std::isnan(y)) return !std::isnan(x) || (std::isnan(y) && a < b);
        return x == y ? a < b : top ? x > y : x < y;
      };
      const auto middle = rows.begin() + static_cast<std::ptrdiff_t>(std::min(k, rows.size()));
      std::partial_sort(rows.begin(), middle, rows.end(), before);
    }
    if (rows.size() > k) rows.resize(k);
  }

  const Aggregate& node_;
  Groups groups_;
  ScalarNodePtr parameter_;
  VectorNodePtr inner_;
  ByGroup by_group_;
};

/// One series per group and value. New values make new series, so only what the groups are called without the value can
/// be prepared; labels are made once per group and value.
class CountValues final : public VectorNode {
 public:
  CountValues(const Aggregate& node, std::string label, VectorNodePtr inner)
      : node_(node),
        label_(std::move(label)),
        grouping_(node.grouping),
        groups_(grouping_, node.without),
        inner_(std::move(inner)) {
    if (node.without) {
      shows_value_ = label_ != kMetricName && std::ranges::find(grouping_, label_) == grouping_.end();
      grouping_.push_back(label_);
    } else {
      std::erase(grouping_, label_);
    }
  }

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    if (label_.empty() || !is_valid_utf8(label_)) return fail("invalid label name {}", to_string(*node_.parameter));
    auto in = inner_->eval(e, steps);
    if (!in) return in;
    groups_.update(e, in->series);
    auto list = std::make_shared<SeriesList>();
    std::unordered_map<Labels, std::uint32_t> index;  // of those whose labels may be made again: other bits of NaN
    std::vector<std::unordered_map<std::uint64_t, std::uint32_t>> rows(groups_.count());  // by the bits of the value
    std::vector<Cell> cells;
    std::vector<std::size_t> last;  // of each row, the cell behind its newest
    for (std::size_t s = 0; s < steps.count; ++s) {
      for (std::size_t row = 0; row < in->rows(); ++row) {
        const double v = in->row(row)[s];
        if (is_absent(v)) continue;
        e.work(2);
        const auto next = static_cast<std::uint32_t>(list->size());
        const auto [at, made] = rows[groups_.of(row)].try_emplace(std::bit_cast<std::uint64_t>(v), next);
        if (made) {
          OutSeries out{(*groups_.series())[groups_.of(row)].labels, false};
          if (shows_value_) out.labels = LabelsBuilder(out.labels).set(label_, format_go_f(v)).labels();
          if (!shows_value_ || std::isnan(v)) at->second = index.try_emplace(out.labels, next).first->second;
          if (at->second == next) {
            e.make_room((last.size() + 1) * steps.count);
            list->push_back(std::move(out));
            last.push_back(0);
          }
        }
        std::size_t& cell = last[at->second];
        if (cell == 0 || cells[cell - 1].step != s) {
          cells.push_back({at->second, s, 0});
          cell = cells.size();
        }
        ++cells[cell - 1].count;
      }
    }
    auto out = e.block(std::move(list), steps.count);
    if (!out) return out;
    for (const Cell& cell : cells) out->row(cell.row)[cell.step] = cell.count;
    return out;
  }

 private:
  /// Most values are there at a few steps only.
  struct Cell {
    std::uint32_t row = 0;
    std::size_t step = 0;
    double count = 0;
  };
  const Aggregate& node_;
  const std::string label_;
  std::vector<std::string> grouping_;
  bool shows_value_ = true;
  Groups groups_;
  VectorNodePtr inner_;
};

}  // namespace

VectorNodePtr make_aggregate(const Aggregate& node, Planner& planner) {
  VectorNodePtr inner = planner.vector(*node.inner);
  switch (node.op) {
    case AggregateOp::kSum:
      return std::make_unique<SimpleAggregate<Sum>>(node, std::move(inner));
    case AggregateOp::kAvg:
      return std::make_unique<SimpleAggregate<Avg>>(node, std::move(inner));
    case AggregateOp::kCount:
      return std::make_unique<SimpleAggregate<Count>>(node, std::move(inner));
    case AggregateOp::kMin:
      return std::make_unique<SimpleAggregate<Min>>(node, std::move(inner));
    case AggregateOp::kMax:
      return std::make_unique<SimpleAggregate<Max>>(node, std::move(inner));
    case AggregateOp::kGroup:
      return std::make_unique<SimpleAggregate<Group>>(node, std::move(inner));
    case AggregateOp::kStddev:
      return std::make_unique<SimpleAggregate<Stddev>>(node, std::move(inner));
    case AggregateOp::kStdvar:
      return std::make_unique<SimpleAggregate<Stdvar>>(node, std::move(inner));
    case AggregateOp::kQuantile:
      return std::make_unique<Quantile>(node, planner.scalar(*node.parameter), std::move(inner));
    case AggregateOp::kCountValues:
      return std::make_unique<CountValues>(node, unwrap(*node.parameter).as<StringLiteral>()->text, std::move(inner));
    default:
      return std::make_unique<Choose>(node, planner.scalar(*node.parameter), std::move(inner));
  }
}

}  // namespace tocsin::promql
