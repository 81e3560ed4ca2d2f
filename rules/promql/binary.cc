// Binary operators. What matches what, and under which labels the results come out, is found once per pair of series
// lists. Where no two series of a list share a match group (nearly always) an evaluation is then a plain loop over two
// rows; else the matching has to be done anew at each step, among the series that are present there.

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "rules/promql/functions.h"
#include "rules/promql/plan.h"

namespace tocsin::promql {

Labels match_labels(const Labels& labels, const VectorMatching& how) {
  if (how.on) {
    LabelList kept;
    for (const std::string& name : how.labels) kept.emplace_back(name, labels.get(name));
    return Labels(kept);
  }
  LabelsBuilder builder(labels);
  for (const std::string& name : how.labels) builder.del(name);
  return builder.del(kMetricName).labels();
}

namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

/// Calls `use` with the operator as a function of two values, so that loops need not look at it again.
template <class Use>
void with_arithmetic(BinaryOp op, Use&& use) {
  switch (op) {
    case BinaryOp::kAdd:
      return use([](double a, double b) { return a + b; });
    case BinaryOp::kSub:
      return use([](double a, double b) { return a - b; });
    case BinaryOp::kMul:
      return use([](double a, double b) { return a * b; });
    case BinaryOp::kDiv:
      return use([](double a, double b) { return a / b; });
    case BinaryOp::kMod:
      return use([](double a, double b) { return std::fmod(a, b); });
    case BinaryOp::kPow:
      return use([](double a, double b) { return std::pow(a, b); });
    default:
      return use([](double a, double b) { return std::atan2(a, b); });
  }
}
template <class Use>
void with_comparison(BinaryOp op, Use&& use) {
  switch (op) {
    case BinaryOp::kEqual:
      return use([](double a, double b) { return a == b; });
    case BinaryOp::kNotEqual:
      return use([](double a, double b) { return a != b; });
    case BinaryOp::kLess:
      return use([](double a, double b) { return a < b; });
    case BinaryOp::kGreater:
      return use([](double a, double b) { return a > b; });
    case BinaryOp::kLessEqual:
      return use([](double a, double b) { return a <= b; });
    default:
      return use([](double a, double b) { return a >= b; });
  }
}
/// The operator between samples: a comparison gives 1 or 0 with `bool`, else `kept` or nothing.
template <class Use>
void with_operator(const Binary& node, bool keep_right, Use&& use) {
  if (!is_comparison(node.op)) return with_arithmetic(node.op, use);
  with_comparison(node.op, [&](auto compare) {
    if (node.return_bool) {
      use([compare](double a, double b) { return compare(a, b) ? 1.0 : 0.0; });
    } else if (keep_right) {
      use([compare](double a, double b) { return compare(a, b) ? b : kAbsent; });
    } else {
      use([compare](double a, double b) { return compare(a, b) ? a : kAbsent; });
    }
  });
}

class ScalarBinary final : public ScalarNode {
 public:
  ScalarBinary(const Binary& node, ScalarNodePtr lhs, ScalarNodePtr rhs)
      : node_(node), lhs_(std::move(lhs)), rhs_(std::move(rhs)) {}
  Result<std::vector<double>> eval(Evaluation& e, const Steps& steps) override {
    auto lhs = lhs_->eval(e, steps);
    if (!lhs) return lhs;
    auto rhs = rhs_->eval(e, steps);
    if (!rhs) return rhs;
    with_operator(node_, false, [&](auto op) {
      for (std::size_t i = 0; i < lhs->size(); ++i) (*lhs)[i] = op((*lhs)[i], (*rhs)[i]);
    });
    return lhs;
  }

 private:
  const Binary& node_;
  ScalarNodePtr lhs_, rhs_;
};

/// A vector and a scalar, on either side.
class VectorScalar final : public VectorNode {
 public:
  VectorScalar(const Binary& node, VectorNodePtr vector, ScalarNodePtr scalar, bool scalar_left)
      : node_(node), vector_(std::move(vector)), scalar_(std::move(scalar)), scalar_left_(scalar_left) {}

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto scalar = scalar_->eval(e, steps);
    if (!scalar) return tl::make_unexpected(scalar.error());
    auto in = vector_->eval(e, steps);
    if (!in) return in;
    with_operator(node_, scalar_left_, [&](auto op) {
      for (std::size_t row = 0; row < in->rows(); ++row) {
        e.work(steps.count);
        double* const v = in->row(row);
        for (std::size_t i = 0; i < steps.count; ++i) {
          if (!is_absent(v[i])) v[i] = scalar_left_ ? op((*scalar)[i], v[i]) : op(v[i], (*scalar)[i]);
        }
      }
    });
    if (is_comparison(node_.op) && !node_.return_bool) return in;
    return renamed_.drop_names(e, std::move(*in), Relabelling::Collision::kMerge);
  }

 private:
  const Binary& node_;
  VectorNodePtr vector_;
  ScalarNodePtr scalar_;
  const bool scalar_left_;
  Relabelling renamed_;
};

/// Numbers for the match groups of two lists.
class Signatures {
 public:
  /// True when something changed.
  bool update(Evaluation& e, const SeriesListPtr& left, const SeriesListPtr& right, const VectorMatching& how) {
    if (left == from_[0] && right == from_[1]) return false;
    from_ = {left, right};
    std::unordered_map<Labels, std::uint32_t> index;
    for (std::size_t side = 0; side < 2; ++side) {
      of_[side].clear();
      for (const OutSeries& s : *from_[side]) {
        e.work(kSeriesWork);
        of_[side].push_back(
            index.try_emplace(match_labels(s.labels, how), static_cast<std::uint32_t>(index.size())).first->second);
      }
    }
    count_ = index.size();
    return true;
  }
  const std::vector<std::uint32_t>& left() const { return of_[0]; }
  const std::vector<std::uint32_t>& right() const { return of_[1]; }
  std::size_t count() const { return count_; }

 private:
  std::array<SeriesListPtr, 2> from_;
  std::array<std::vector<std::uint32_t>, 2> of_;
  std::size_t count_ = 0;
};

/// and, or, unless.
class SetOperator final : public VectorNode {
 public:
  SetOperator(const Binary& node, VectorNodePtr lhs, VectorNodePtr rhs)
      : node_(node), lhs_(std::move(lhs)), rhs_(std::move(rhs)) {}

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto lhs = lhs_->eval(e, steps);
    if (!lhs) return lhs;
    auto rhs = rhs_->eval(e, steps);
    if (!rhs) return rhs;
    const bool changed = signatures_.update(e, lhs->series, rhs->series, *node_.matching);
    if (node_.op == BinaryOp::kOr) {
      if (changed) prepare_union(e, *lhs->series, *rhs->series);
      return unite(e, *lhs, *rhs);
    }
    // Which match groups are present on the right, step by step.
    present_.assign(signatures_.count() * steps.count, 0);
    mark(e, *rhs, signatures_.right());
    const char wanted = node_.op == BinaryOp::kAnd ? 1 : 0;
    for (std::size_t row = 0; row < lhs->rows(); ++row) {
      e.work(steps.count);
      const char* const present = &present_[signatures_.left()[row] * steps.count];
      double* const v = lhs->row(row);
      for (std::size_t s = 0; s < steps.count; ++s) {
        if (present[s] != wanted) v[s] = kAbsent;
      }
    }
    return lhs;
  }

 private:
  void mark(Evaluation& e, const Block& block, const std::vector<std::uint32_t>& signature) {
    for (std::size_t row = 0; row < block.rows(); ++row) {
      e.work(block.steps());
      for (std::size_t s = 0; s < block.steps(); ++s) {
        if (!is_absent(block.row(row)[s])) present_[signature[row] * block.steps() + s] = 1;
      }
    }
  }

  void prepare_union(Evaluation& e, const SeriesList& left, const SeriesList& right) {
    auto list = std::make_shared<SeriesList>(left);
    std::unordered_map<Labels, std::uint32_t> index;
    for (std::size_t i = 0; i < left.size(); ++i) index.try_emplace(left[i].labels, static_cast<std::uint32_t>(i));
    right_row_.clear();
    for (const OutSeries& s : right) {
      e.work(kSeriesWork);
      const auto [at, made] = index.try_emplace(s.labels, static_cast<std::uint32_t>(list->size()));
      if (made) list->push_back(s);
      right_row_.push_back(at->second);
    }
    union_ = std::move(list);
  }

  Result<Block> unite(Evaluation& e, const Block& lhs, const Block& rhs) {
    const std::size_t steps = lhs.steps();
    auto out = e.block(union_, steps);
    if (!out) return out;
    present_.assign(signatures_.count() * steps, 0);
    mark(e, lhs, signatures_.left());
    for (std::size_t row = 0; row < lhs.rows(); ++row) std::copy_n(lhs.row(row), steps, out->row(row));
    for (std::size_t row = 0; row < rhs.rows(); ++row) {
      e.work(steps);
      const char* const present = &present_[signatures_.right()[row] * steps];
      double* const to = out->row(right_row_[row]);
      for (std::size_t s = 0; s < steps; ++s) {
        const double v = rhs.row(row)[s];
        if (is_absent(v) || present[s] != 0) continue;
        if (!is_absent(to[s])) return fail("{}", kSameLabelset);
        to[s] = v;
      }
    }
    return out;
  }

  const Binary& node_;
  VectorNodePtr lhs_, rhs_;
  Signatures signatures_;
  std::vector<char> present_;
  SeriesListPtr union_;
  std::vector<std::uint32_t> right_row_;
};

/// Arithmetic and comparisons between vectors. `many` is the left side, or the right one with group_right; `one` is the
/// other.
class VectorBinary final : public VectorNode {
 public:
  VectorBinary(const Binary& node, VectorNodePtr lhs, VectorNodePtr rhs)
      : node_(node),
        how_(*node.matching),
        swapped_(how_.cardinality == MatchCardinality::kOneToMany),
        lhs_(std::move(lhs)),
        rhs_(std::move(rhs)) {}

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto lhs = lhs_->eval(e, steps);
    if (!lhs) return lhs;
    auto rhs = rhs_->eval(e, steps);
    if (!rhs) return rhs;
    Block& many = swapped_ ? *rhs : *lhs;
    Block& one = swapped_ ? *lhs : *rhs;
    if (signatures_.update(e, many.series, one.series, how_)) prepare(e, many, one);
    return simple_ ? join_simply(e, many, one) : join_stepwise(e, many, one);
  }

 private:
  void prepare(Evaluation& e, const Block& many, const Block& one);
  OutSeries result_series(const Evaluation& e, const Labels& many, const Labels& one) const;
  std::uint32_t row_for(const Evaluation& e, const Block& many, const Block& one, std::uint32_t m, std::uint32_t o);
  Result<Block> join_simply(Evaluation& e, const Block& many, const Block& one);
  Result<Block> join_stepwise(Evaluation& e, const Block& many, const Block& one);
  Result<void> match_step(Evaluation& e, const Block& many, const Block& one, std::size_t s);
  Result<void> pair(const Evaluation& e, const Block& many, const Block& one, std::uint32_t m, std::uint32_t o,
                    std::uint32_t signature);
  double apply(double many, double one) const {
    double out = 0;
    with_operator(node_, false, [&](auto op) { out = swapped_ ? op(one, many) : op(many, one); });
    return out;
  }

  const Binary& node_;
  const VectorMatching& how_;
  const bool swapped_;
  VectorNodePtr lhs_, rhs_;
  Signatures signatures_;
  SeriesListPtr out_;
  bool simple_ = false;
  std::vector<std::uint32_t> partner_;   // simple: the row of `one` for each row of `out_`
  std::vector<std::uint32_t> many_row_;  // simple: the row of `many`

  // Stepwise: the pairs met so far and the rows they come out in.
  std::unordered_map<std::uint64_t, std::uint32_t> pairs_;
  std::unordered_map<Labels, std::uint32_t> rows_;
  std::shared_ptr<SeriesList> growing_;
  std::vector<std::uint32_t> one_of_;  // per match group, at the current step
  std::vector<char> matched_;
  std::vector<std::pair<std::uint32_t, double>> step_out_;
  struct Seen {
    std::uint32_t signature = kNone;
    bool kept = false;
  };
  std::unordered_map<std::uint32_t, Seen> seen_;  // rows of the current step
};

OutSeries VectorBinary::result_series(const Evaluation& e, const Labels& many, const Labels& one) const {
  LabelsBuilder builder(many);
  if (!is_comparison(node_.op)) builder = LabelsBuilder(without_name(many));
  if (how_.cardinality == MatchCardinality::kOneToOne) {
    if (how_.on) {
      LabelsBuilder kept;
      for (const std::string& name : how_.labels) kept.set(name, builder.get(name));
      builder = kept;
    } else {
      for (const std::string& name : how_.labels) builder.del(name);
    }
  }
  for (const std::string& name : how_.include) builder.set(name, one.get(name));
  OutSeries out{builder.labels(), false};
  if (node_.return_bool) drop_name(out, e.options.delayed_name_removal);
  return out;
}

void VectorBinary::prepare(Evaluation& e, const Block& many, const Block& one) {
  pairs_.clear();
  rows_.clear();
  partner_.clear();
  many_row_.clear();
  growing_ = std::make_shared<SeriesList>();
  std::vector<std::uint32_t> one_of(signatures_.count(), kNone);
  simple_ = !how_.fill_left && !how_.fill_right;
  for (std::uint32_t o = 0; o < one.rows() && simple_; ++o) {
    std::uint32_t& at = one_of[signatures_.right()[o]];
    simple_ = at == kNone;
    at = o;
  }
  std::vector<char> taken(signatures_.count(), 0);
  for (std::uint32_t m = 0; m < many.rows() && simple_; ++m) {
    e.work(kSeriesWork);
    const std::uint32_t signature = signatures_.left()[m];
    const std::uint32_t o = one_of[signature];
    if (o == kNone) continue;
    if (how_.cardinality == MatchCardinality::kOneToOne) simple_ = !std::exchange(taken[signature], 1);
    OutSeries s = result_series(e, (*many.series)[m].labels, (*one.series)[o].labels);
    simple_ = simple_ && rows_.try_emplace(s.labels, m).second;
    growing_->push_back(std::move(s));
    partner_.push_back(o);
    many_row_.push_back(m);
  }
  if (!simple_) {
    rows_.clear();
    growing_ = std::make_shared<SeriesList>();
  }
  out_ = growing_;
}

Result<Block> VectorBinary::join_simply(Evaluation& e, const Block& many, const Block& one) {
  auto out = e.block(out_, many.steps());
  if (!out) return out;
  with_operator(node_, false, [&](auto op) {
    for (std::size_t row = 0; row < out->rows(); ++row) {
      e.work(many.steps());
      const double* const m = many.row(many_row_[row]);
      const double* const o = one.row(partner_[row]);
      double* const to = out->row(row);
      for (std::size_t s = 0; s < many.steps(); ++s) {
        if (is_absent(m[s]) || is_absent(o[s])) continue;
        to[s] = swapped_ ? op(o[s], m[s]) : op(m[s], o[s]);
      }
    }
  });
  return out;
}

std::uint32_t VectorBinary::row_for(const Evaluation& e, const Block& many, const Block& one, std::uint32_t m,
                                    std::uint32_t o) {
  const auto [pair, made] = pairs_.try_emplace(std::uint64_t{m} << 32 | o, 0);
  if (!made) return pair->second;
  // A side that is filled in has the labels by which its partner matches.
  const Labels one_labels = o == kNone ? match_labels((*many.series)[m].labels, how_) : (*one.series)[o].labels;
  const Labels many_labels = m == kNone ? match_labels(one_labels, how_) : (*many.series)[m].labels;
  OutSeries s = result_series(e, many_labels, one_labels);
  if (growing_ == out_) growing_ = std::make_shared<SeriesList>(*out_);  // others may hold the list as it was
  const auto [row, new_row] = rows_.try_emplace(s.labels, static_cast<std::uint32_t>(growing_->size()));
  if (new_row) growing_->push_back(std::move(s));
  return pair->second = row->second;
}

Result<void> VectorBinary::pair(const Evaluation& e, const Block& many, const Block& one, std::uint32_t m,
                                std::uint32_t o, std::uint32_t signature) {
  const std::uint32_t row = row_for(e, many, one, m, o);
  if (how_.cardinality == MatchCardinality::kOneToOne && matched_[signature] != 0) {
    return fail("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)");
  }
  matched_[signature] = 1;
  step_out_.emplace_back(row, 0);
  Seen& seen = seen_[row];
  if (seen.signature == signature) {
    return fail("multiple matches for labels: grouping labels must ensure unique matches");
  }
  seen.signature = signature;
  return {};
}

Result<void> VectorBinary::match_step(Evaluation& e, const Block& many, const Block& one, std::size_t s) {
  e.work(4 * (many.rows() + one.rows()) + 1);
  one_of_.assign(signatures_.count(), kNone);
  matched_.assign(signatures_.count(), 0);
  step_out_.clear();
  seen_.clear();
  bool any_many = false, any_one = false;
  for (std::size_t m = 0; m < many.rows() && !any_many; ++m) any_many = !is_absent(many.row(m)[s]);
  for (std::size_t o = 0; o < one.rows() && !any_one; ++o) any_one = !is_absent(one.row(o)[s]);
  if (!any_many && !any_one) return {};
  if ((!any_many || !any_one) && !how_.fill_left && !how_.fill_right) return {};
  for (std::uint32_t o = 0; o < one.rows(); ++o) {
    if (is_absent(one.row(o)[s])) continue;
    std::uint32_t& at = one_of_[signatures_.right()[o]];
    if (at != kNone) {
      const Labels& labels = (*one.series)[o].labels;
      Labels group = match_labels(labels, how_);
      return fail(
          "found duplicate series for the match group {} on the {} hand-side of the operation: [{}, {}];many-to-many "
          "matching "
          "not allowed: matching labels must be unique on one side",
          group.str(), swapped_ ? "left" : "right", (*one.series)[at].labels.str(), labels.str());
    }
    at = o;
  }
  const auto emit = [&](std::uint32_t m, std::uint32_t o, std::uint32_t signature, double v) -> Result<void> {
    if (auto ok = pair(e, many, one, m, o, signature); !ok) return ok;
    step_out_.back().second = v;
    if (is_absent(v)) return {};
    Seen& seen = seen_[step_out_.back().first];
    if (std::exchange(seen.kept, true)) return fail("{}", kSameLabelset);
    return {};
  };
  for (std::uint32_t m = 0; m < many.rows(); ++m) {
    const double v = many.row(m)[s];
    if (is_absent(v)) continue;
    const std::uint32_t signature = signatures_.left()[m];
    const std::uint32_t o = one_of_[signature];
    if (o == kNone && !how_.fill_right) continue;
    if (auto ok = emit(m, o, signature, apply(v, o == kNone ? *how_.fill_right : one.row(o)[s])); !ok) return ok;
  }
  for (std::uint32_t o = 0; o < one.rows() && how_.fill_left; ++o) {
    const double v = one.row(o)[s];
    const std::uint32_t signature = signatures_.right()[o];
    if (is_absent(v) || matched_[signature] != 0) continue;
    if (auto ok = emit(kNone, o, signature, apply(*how_.fill_left, v)); !ok) return ok;
  }
  return {};
}

Result<Block> VectorBinary::join_stepwise(Evaluation& e, const Block& many, const Block& one) {
  // The rows are only known when all steps have been matched.
  std::vector<std::vector<std::pair<std::uint32_t, double>>> results(many.steps());
  for (std::size_t s = 0; s < many.steps(); ++s) {
    if (auto ok = match_step(e, many, one, s); !ok) return tl::make_unexpected(ok.error());
    results[s] = step_out_;
  }
  out_ = growing_;
  auto out = e.block(out_, many.steps());
  if (!out) return out;
  for (std::size_t s = 0; s < many.steps(); ++s) {
    for (const auto& [row, v] : results[s]) {
      if (!is_absent(v)) out->row(row)[s] = v;
    }
  }
  return out;
}

}  // namespace

ScalarNodePtr make_scalar_binary(const Binary& node, Planner& planner) {
  const bool trim = node.op == BinaryOp::kTrimUpper || node.op == BinaryOp::kTrimLower;
  if (trim || is_extra(node.op)) return make_odd_scalar_binary(node, planner);
  return std::make_unique<ScalarBinary>(node, planner.scalar(*node.lhs), planner.scalar(*node.rhs));
}

VectorNodePtr make_binary(const Binary& node, Planner& planner) {
  if (node.op == BinaryOp::kTrimUpper || node.op == BinaryOp::kTrimLower) return make_trim(node, planner);
  if (is_extra(node.op)) return make_gap_operator(node, planner);
  if (!node.matching) {
    const bool scalar_left = node.lhs->type() == ValueType::kScalar;
    const Expr& vector = scalar_left ? *node.rhs : *node.lhs;
    const Expr& scalar = scalar_left ? *node.lhs : *node.rhs;
    return std::make_unique<VectorScalar>(node, planner.vector(vector), planner.scalar(scalar), scalar_left);
  }
  VectorNodePtr lhs = planner.vector(*node.lhs), rhs = planner.vector(*node.rhs);
  if (is_set(node.op)) return std::make_unique<SetOperator>(node, std::move(lhs), std::move(rhs));
  return std::make_unique<VectorBinary>(node, std::move(lhs), std::move(rhs));
}

}  // namespace tocsin::promql
