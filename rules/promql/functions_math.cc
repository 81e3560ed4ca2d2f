// Functions of single values, and the node that applies them to each sample of a vector.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "rules/promql/functions.h"
#include "rules/promql/plan.h"

namespace tocsin::promql {
namespace kernel {

double sgn(double v) {
  return v < 0 ? -1 : v > 0 ? 1 : v;
}
double rad(double v) {
  return v * std::numbers::pi / 180;
}
double deg(double v) {
  return v * 180 / std::numbers::pi;
}

double round_to(double v, const double* params) {
  // The inverse gives fewer surprises: 0.1 has no exact value, 10 has.
  const double inverse = 1.0 / params[0];
  return std::floor(v * inverse + 0.5) / inverse;
}

namespace {

/// Go's math.Min and math.Max: NaN when either is, unless the other is as small, or as large, as can be.
double go_min(double a, double b) {
  if (a == -HUGE_VAL || b == -HUGE_VAL) return -HUGE_VAL;
  return std::isnan(a) || std::isnan(b) ? kNaN : std::min(a, b);
}
double go_max(double a, double b) {
  if (a == HUGE_VAL || b == HUGE_VAL) return HUGE_VAL;
  return std::isnan(a) || std::isnan(b) ? kNaN : std::max(a, b);
}
double clamped(double v, double low, double high) {
  return high < low ? kAbsent : go_max(low, go_min(high, v));
}

}  // namespace

double clamp(double v, const double* params) {
  return clamped(v, params[0], params[1]);
}
double clamp_min(double v, const double* params) {
  return clamped(v, params[0], HUGE_VAL);
}
double clamp_max(double v, const double* params) {
  return clamped(v, -HUGE_VAL, params[0]);
}

}  // namespace kernel

namespace {

/// abs(v), round(v, 5), hour(v): one kernel on each sample. A date function without its argument is applied to the
/// time.
class Elementwise final : public VectorNode {
 public:
  Elementwise(const Function& function, VectorNodePtr inner, std::vector<ScalarNodePtr> params)
      : function_(function), inner_(std::move(inner)), params_(std::move(params)) {}

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto in = inner_->eval(e, steps);
    if (!in) return in;
    // Parameters side by side per step, as kernels want them.
    std::vector<double> params(steps.count * std::max<std::size_t>(params_.size(), 1), 1.0);
    for (std::size_t p = 0; p < params_.size(); ++p) {
      auto values = params_[p]->eval(e, steps);
      if (!values) return tl::make_unexpected(values.error());
      for (std::size_t i = 0; i < steps.count; ++i) params[i * params_.size() + p] = (*values)[i];
    }
    const std::size_t width = std::max<std::size_t>(params_.size(), 1);
    if (const auto* math = std::get_if<MathKernel>(&function_.kernel)) {
      each(e, *in, [&](double v, std::size_t) { return (*math)(v); });
    } else if (const auto* date = std::get_if<DateKernel>(&function_.kernel)) {
      each(e, *in,
           [&](double v, std::size_t) { return std::abs(v) < 9e18 ? (*date)(static_cast<std::int64_t>(v)) : kNaN; });
    } else {
      const ParamKernel kernel = std::get<ParamKernel>(function_.kernel);
      each(e, *in, [&](double v, std::size_t step) { return kernel(v, &params[step * width]); });
    }
    return renamed_.drop_names(e, std::move(*in), Relabelling::Collision::kMerge);
  }

 private:
  template <class F>
  static void each(Evaluation& e, Block& block, F&& f) {
    for (std::size_t row = 0; row < block.rows(); ++row) {
      e.work(block.steps());
      double* const values = block.row(row);
      for (std::size_t i = 0; i < block.steps(); ++i) {
        if (!is_absent(values[i])) values[i] = f(values[i], i);
      }
    }
  }

  const Function& function_;
  VectorNodePtr inner_;
  std::vector<ScalarNodePtr> params_;
  Relabelling renamed_;
};

/// The time of each step, as a vector of one series without labels.
class TimeVector final : public VectorNode {
 public:
  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto out = e.block(series_, steps.count);
    if (!out) return out;
    for (std::size_t i = 0; i < steps.count; ++i) out->row(0)[i] = static_cast<double>(steps.at(i) / 1000);
    return out;
  }

 private:
  SeriesListPtr series_ = std::make_shared<SeriesList>(1);
};

class Negate final : public VectorNode {
 public:
  explicit Negate(VectorNodePtr inner) : inner_(std::move(inner)) {}
  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto in = inner_->eval(e, steps);
    if (!in) return in;
    for (std::size_t row = 0; row < in->rows(); ++row) {
      e.work(in->steps());
      for (std::size_t s = 0; s < in->steps(); ++s) {
        double& v = in->row(row)[s];
        if (!is_absent(v)) v = -v;
      }
    }
    return renamed_.drop_names(e, std::move(*in), Relabelling::Collision::kMerge);
  }

 private:
  VectorNodePtr inner_;
  Relabelling renamed_;
};

}  // namespace

VectorNodePtr make_elementwise(const Call& call, Planner& planner) {
  VectorNodePtr inner = call.args.empty() ? std::make_unique<TimeVector>() : planner.vector(*call.args[0]);
  std::vector<ScalarNodePtr> params;
  for (std::size_t i = 1; i < call.args.size(); ++i) params.push_back(planner.scalar(*call.args[i]));
  return std::make_unique<Elementwise>(*call.function, std::move(inner), std::move(params));
}

VectorNodePtr make_negate(VectorNodePtr inner) {
  return std::make_unique<Negate>(std::move(inner));
}

}  // namespace tocsin::promql
