// Where samples come from: instant and range selectors, and subqueries.
//
// The series a selector means are found once and kept while the store's generation stands, regardless of the time asked
// for: a series without samples there is a row of absent values, which costs less than finding the series again. A
// range selector decodes a series once per evaluation into a buffer that all steps share.

#include <algorithm>

#include "rules/promql/query_cache.h"

namespace tocsin::promql {
namespace {

TimePoint at_ms(std::int64_t t) {
  return TimePoint{Duration{t}};
}
std::int64_t ms(const Sample& s) {
  return s.t.time_since_epoch().count();
}

/// Sets what `@` and `offset` say.
Result<void> resolve_time(const TimeModifiers& time, const Evaluation& e, RangeNode::Extent& extent) {
  auto offset = resolve(time.offset, e, true);
  if (!offset) return tl::make_unexpected(offset.error());
  extent.offset = *offset;
  extent.fixed = time.anchor != AtAnchor::kNone;
  if (time.anchor == AtAnchor::kTime) extent.at = time.at.time_since_epoch().count();
  if (time.anchor == AtAnchor::kStart) extent.at = e.query.start;
  if (time.anchor == AtAnchor::kEnd) extent.at = e.query.end;
  return {};
}

void remove_stale(std::vector<Sample>& samples, std::size_t from) {
  const auto first = samples.begin() + static_cast<std::ptrdiff_t>(from);
  samples.erase(std::remove_if(first, samples.end(), [](const Sample& s) { return is_stale(s.v); }), samples.end());
}

/// The newest sample of each series within the lookback.
class VectorSelectorNode final : public VectorNode {
 public:
  VectorSelectorNode(const VectorSelector& selector, bool timestamps, std::shared_ptr<Selection> selection)
      : selector_(selector), timestamps_(timestamps), selection_(std::move(selection)) {}

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    if (auto ok = resolve_time(selector_.time, e, extent_); !ok) return tl::make_unexpected(ok.error());
    auto out = e.block(selection_->series(e), steps.count);
    if (!out) return out;
    const std::int64_t lookback = e.options.lookback.count();
    const bool smoothed = selector_.smoothing == Smoothing::kSmoothed;
    for (std::size_t i = 0; i < out->rows(); ++i) {
      e.work(steps.count + 1);
      if (smoothed) {
        smooth(e, steps, selection_->ref(i), out->row(i));
      } else if (steps.count == 1) {
        const auto sample = e.store.newest(selection_->ref(i), at_ms(extent_.to(steps.start)), e.options.lookback);
        if (!sample) continue;
        out->row(i)[0] = value(*sample);
        ++e.samples_read;
      } else {
        slide(e, steps, selection_->ref(i), lookback, out->row(i));
      }
    }
    return out;
  }

 private:
  double value(const Sample& s) const { return timestamps_ ? to_seconds(s.t) : s.v; }

  void read(Evaluation& e, const Steps& steps, SeriesRef ref, std::int64_t before, std::int64_t after) {
    buffer_.clear();
    const std::int64_t last = extent_.to(steps.at(steps.count - 1));
    e.store.samples(ref, at_ms(extent_.to(steps.start) - before + 1), at_ms(last + after), buffer_);
    e.samples_read += buffer_.size();
    e.make_room(buffer_.size());
    e.work(buffer_.size());
  }

  void slide(Evaluation& e, const Steps& steps, SeriesRef ref, std::int64_t lookback, double* out) {
    read(e, steps, ref, lookback, 0);
    std::size_t next = 0;
    for (std::size_t s = 0; s < steps.count; ++s) {
      const std::int64_t at = extent_.to(steps.at(s));
      while (next < buffer_.size() && ms(buffer_[next]) <= at) ++next;
      if (next == 0) continue;
      const Sample& newest = buffer_[next - 1];
      if (ms(newest) > at - lookback && !is_stale(newest.v)) out[s] = value(newest);
    }
  }

  /// On the line between the samples around each step.
  void smooth(Evaluation& e, const Steps& steps, SeriesRef ref, double* out) {
    const std::int64_t lookback = e.options.lookback.count();
    read(e, steps, ref, lookback, lookback);
    remove_stale(buffer_, 0);
    std::size_t next = 0;  // the first sample at or after the step
    for (std::size_t s = 0; s < steps.count; ++s) {
      const std::int64_t at = extent_.to(steps.at(s));
      while (next < buffer_.size() && ms(buffer_[next]) < at) ++next;
      const bool has_next = next < buffer_.size() && ms(buffer_[next]) <= at + lookback;
      if (has_next && ms(buffer_[next]) == at) {
        out[s] = buffer_[next].v;
        continue;
      }
      if (next == 0 || ms(buffer_[next - 1]) <= at - lookback) continue;
      const Sample& a = buffer_[next - 1];
      if (!has_next) {
        out[s] = a.v;
        continue;
      }
      const Sample& b = buffer_[next];
      out[s] = a.v + (b.v - a.v) * static_cast<double>(at - ms(a)) / static_cast<double>(ms(b) - ms(a));
    }
  }

  const VectorSelector& selector_;
  const bool timestamps_;
  std::shared_ptr<Selection> selection_;
  RangeNode::Extent extent_;
  std::vector<Sample> buffer_;
};

class MatrixSelectorNode final : public RangeNode {
 public:
  MatrixSelectorNode(const MatrixSelector& node, std::shared_ptr<Selection> selection)
      : node_(node), selection_(std::move(selection)) {}

  Result<SeriesListPtr> open(Evaluation& e, const Steps& steps) override {
    if (auto ok = resolve_time(node_.selector.time, e, extent_); !ok) return tl::make_unexpected(ok.error());
    auto range = resolve(node_.range, e, false);
    if (!range) return tl::make_unexpected(range.error());
    extent_.range = *range;
    extent_.smoothing = node_.selector.smoothing;
    const std::int64_t lookback = e.options.lookback.count();
    extent_.before = extent_.smoothing != Smoothing::kNone ? lookback : 0;
    extent_.after = extent_.smoothing == Smoothing::kSmoothed ? lookback : 0;
    from_ = extent_.to(steps.start) - extent_.range - extent_.before;
    to_ = extent_.to(steps.at(steps.count - 1)) + extent_.after;
    return selection_->series(e);
  }

  Result<void> load(Evaluation& e, std::size_t series, std::vector<Sample>& out) override {
    const std::size_t had = out.size();
    e.store.samples(selection_->ref(series), at_ms(from_ + 1), at_ms(to_), out);
    remove_stale(out, had);
    e.samples_read += out.size() - had;
    e.make_room(out.size());
    e.work(out.size() + 1);
    return {};
  }

 private:
  const MatrixSelector& node_;
  std::shared_ptr<Selection> selection_;
  std::int64_t from_ = 0;
  std::int64_t to_ = 0;
};

/// An expression evaluated at its own steps, which are multiples of the step since the epoch.
class SubqueryNode final : public RangeNode {
 public:
  SubqueryNode(const Subquery& node, VectorNodePtr inner) : node_(node), inner_(std::move(inner)) {}

  Result<SeriesListPtr> open(Evaluation& e, const Steps& steps) override {
    if (auto ok = resolve_time(node_.time, e, extent_); !ok) return tl::make_unexpected(ok.error());
    auto range = resolve(node_.range, e, false);
    if (!range) return tl::make_unexpected(range.error());
    extent_.range = *range;
    steps_.step = e.options.default_subquery_step.count();
    if (node_.step.is_set()) {
      auto step = resolve(node_.step, e, false);
      if (!step) return tl::make_unexpected(step.error());
      steps_.step = *step;
    }
    const std::int64_t from = extent_.to(steps.start) - extent_.range;
    const std::int64_t to = extent_.to(steps.at(steps.count - 1));
    steps_.start = from / steps_.step * steps_.step;
    if (steps_.start <= from) steps_.start += steps_.step;
    block_ = Block();
    if (steps_.start > to) return none_;
    steps_.count = static_cast<std::size_t>((to - steps_.start) / steps_.step + 1);
    e.make_room(steps_.count);
    auto block = inner_->eval(e, steps_);
    if (!block) return tl::make_unexpected(block.error());
    block_ = std::move(*block);
    return block_.series;
  }

  Result<void> load(Evaluation& e, std::size_t series, std::vector<Sample>& out) override {
    e.work(block_.steps());
    e.make_room(block_.steps());
    const double* const values = block_.row(series);
    for (std::size_t i = 0; i < block_.steps(); ++i) {
      if (!is_absent(values[i])) out.push_back({at_ms(steps_.at(i)), values[i]});
    }
    return {};
  }

 private:
  const Subquery& node_;
  VectorNodePtr inner_;
  Steps steps_;
  Block block_;
  SeriesListPtr none_ = std::make_shared<SeriesList>();
};

}  // namespace

VectorNodePtr make_vector_selector(const VectorSelector& selector, bool timestamps, Planner& planner) {
  return std::make_unique<VectorSelectorNode>(selector, timestamps, planner.selection(selector.matchers));
}
RangeNodePtr make_matrix_selector(const MatrixSelector& node, Planner& planner) {
  return std::make_unique<MatrixSelectorNode>(node, planner.selection(node.selector.matchers));
}
RangeNodePtr make_subquery(const Subquery& subquery, VectorNodePtr inner) {
  return std::make_unique<SubqueryNode>(subquery, std::move(inner));
}

}  // namespace tocsin::promql
