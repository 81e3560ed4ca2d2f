// Binary operators beside the ones everybody uses.
//
// `default`, `if` and `ifnot` are MetricsQL's. To them NaN is no value, so that 0/0 can be given one. A gap is filled
// under the labels of the left side; if there is nothing at all on the left, the right side stands in for it.
//
// `</` and `>/` trim native histograms. Of floats they make nothing, and say so between two vectors, like Prometheus.

#include <cmath>
#include <unordered_map>

#include "rules/promql/functions.h"
#include "rules/promql/plan.h"

namespace tocsin::promql {
namespace {

/// Absent, or NaN.
bool is_gap(double v) {
  return std::isnan(v);
}

bool has_value(const Block& block, std::size_t row) {
  for (std::size_t s = 0; s < block.steps(); ++s) {
    if (!is_gap(block.row(row)[s])) return true;
  }
  return false;
}

class GapOperator final : public VectorNode {
 public:
  GapOperator(const Binary& node, VectorNodePtr lhs, VectorNodePtr rhs)
      : node_(node), lhs_(std::move(lhs)), rhs_(std::move(rhs)) {}

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto lhs = lhs_->eval(e, steps);
    if (!lhs) return lhs;
    auto rhs = rhs_->eval(e, steps);
    if (!rhs) return rhs;
    if (node_.op == BinaryOp::kDefault) {
      bool any = false;
      for (std::size_t row = 0; row < lhs->rows() && !any; ++row) any = has_value(*lhs, row);
      if (!any) return rhs;
    }
    group(*lhs, *rhs);
    for (std::size_t row = 0; row < lhs->rows(); ++row) {
      if (node_.op != BinaryOp::kDefault) {
        keep_if(*lhs, row, *rhs);
      } else if (any_sample(*lhs, row)) {
        fill(*lhs, row, *rhs);
      }
    }
    return lhs;
  }

 private:
  static bool any_sample(const Block& block, std::size_t row) {
    for (std::size_t s = 0; s < block.steps(); ++s) {
      if (!is_absent(block.row(row)[s])) return true;
    }
    return false;
  }

  /// Finds the rows on the right that match a row on the left, once per pair of lists.
  void group(const Block& lhs, const Block& rhs) {
    if (lhs.series == left_ && rhs.series == right_) return;
    left_ = lhs.series;
    right_ = rhs.series;
    std::unordered_map<Labels, std::vector<std::uint32_t>> by_labels;
    VectorMatching everything;
    everything.on = true;
    const VectorMatching& how = node_.matching ? *node_.matching : everything;
    for (std::uint32_t row = 0; row < rhs.rows(); ++row) {
      by_labels[match_labels((*right_)[row].labels, how)].push_back(row);
    }
    partners_.clear();
    for (const OutSeries& s : *left_) partners_.push_back(by_labels[match_labels(s.labels, how)]);
  }

  void fill(Block& lhs, std::size_t row, const Block& rhs) const {
    double* const v = lhs.row(row);
    for (std::size_t s = 0; s < lhs.steps(); ++s) {
      if (!is_gap(v[s])) continue;
      for (const std::uint32_t partner : partners_[row]) {
        if (is_gap(rhs.row(partner)[s])) continue;
        v[s] = rhs.row(partner)[s];
        break;
      }
    }
  }

  void keep_if(Block& lhs, std::size_t row, const Block& rhs) const {
    double* const v = lhs.row(row);
    for (std::size_t s = 0; s < lhs.steps(); ++s) {
      bool there = false;
      for (const std::uint32_t partner : partners_[row]) there = there || !is_gap(rhs.row(partner)[s]);
      if (there != (node_.op == BinaryOp::kIf)) v[s] = kAbsent;
    }
  }

  const Binary& node_;
  VectorNodePtr lhs_, rhs_;
  SeriesListPtr left_, right_;
  std::vector<std::vector<std::uint32_t>> partners_;
};

/// What trimming floats comes to: it is matched as an addition would be, so the same mistakes are errors, and dropped.
class Trim final : public VectorNode {
 public:
  Trim(const Binary& node, Planner& planner)
      : op_(node.op), between_vectors_(node.matching.has_value()), at_(*node.lhs), sum_(node) {
    sum_.op = BinaryOp::kAdd;
    inner_ = make_binary(sum_, planner);
  }

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto in = inner_->eval(e, steps);
    if (!in) return in;
    bool any = false;
    for (double& v : in->values()) any |= !is_absent(std::exchange(v, kAbsent));
    if (any && between_vectors_) {
      e.inform(fmt::format("incompatible sample types encountered for binary operator {0}: float {1} float",
                           quoted(to_string(op_)), to_string(op_)),
               at_);
    }
    return in;
  }

 private:
  const BinaryOp op_;
  const bool between_vectors_;
  const Expr& at_;
  Binary sum_;
  VectorNodePtr inner_;
};

/// Fails when it is asked for.
class NotForScalars final : public ScalarNode {
 public:
  explicit NotForScalars(BinaryOp op) : op_(op) {}
  Result<std::vector<double>> eval(Evaluation&, const Steps&) override {
    return fail("operator {} not allowed for Scalar operations", quoted(to_string(op_)));
  }

 private:
  const BinaryOp op_;
};

/// `a default b` between scalars.
class ScalarDefault final : public ScalarNode {
 public:
  ScalarDefault(ScalarNodePtr lhs, ScalarNodePtr rhs) : lhs_(std::move(lhs)), rhs_(std::move(rhs)) {}
  Result<std::vector<double>> eval(Evaluation& e, const Steps& steps) override {
    auto lhs = lhs_->eval(e, steps);
    if (!lhs) return lhs;
    auto rhs = rhs_->eval(e, steps);
    if (!rhs) return rhs;
    for (std::size_t i = 0; i < lhs->size(); ++i) {
      if (is_gap((*lhs)[i])) (*lhs)[i] = (*rhs)[i];
    }
    return lhs;
  }

 private:
  ScalarNodePtr lhs_, rhs_;
};

}  // namespace

VectorNodePtr make_trim(const Binary& node, Planner& planner) {
  return std::make_unique<Trim>(node, planner);
}

VectorNodePtr make_gap_operator(const Binary& node, Planner& planner) {
  VectorNodePtr rhs = node.rhs->type() == ValueType::kScalar ? make_vector_of_scalar(planner.scalar(*node.rhs))
                                                             : planner.vector(*node.rhs);
  return std::make_unique<GapOperator>(node, planner.vector(*node.lhs), std::move(rhs));
}

ScalarNodePtr make_odd_scalar_binary(const Binary& node, Planner& planner) {
  if (node.op != BinaryOp::kDefault) return std::make_unique<NotForScalars>(node.op);
  return std::make_unique<ScalarDefault>(planner.scalar(*node.lhs), planner.scalar(*node.rhs));
}

}  // namespace tocsin::promql
