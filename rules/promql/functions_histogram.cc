// Functions of classic histograms: series that differ in `le` only are the buckets of one. Which series are whose
// buckets is found once per list; an evaluation gathers the counts, brings them into order and interpolates.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <unordered_map>

#include "rules/promql/functions.h"
#include "rules/promql/plan.h"

namespace tocsin::promql {
namespace {

struct Bucket {
  double upper = 0;
  double count = 0;  // cumulative
};

/// What had to be repaired.
struct Repair {
  bool forced = false;
  double first = HUGE_VAL;  // bounds of the buckets that had less than the one below
  double last = -HUGE_VAL;
  double most = 0;  // by how much at most
};

/// Sorts by bound and merges equal bounds. False: there is no +Inf bucket.
bool order(std::vector<Bucket>& buckets) {
  if (!std::ranges::is_sorted(buckets, {}, &Bucket::upper)) std::ranges::sort(buckets, {}, &Bucket::upper);
  if (buckets.empty() || buckets.back().upper != HUGE_VAL) return false;
  std::size_t last = 0;
  for (std::size_t i = 1; i < buckets.size(); ++i) {
    if (buckets[i].upper == buckets[last].upper) {
      buckets[last].count += buckets[i].count;
    } else {
      buckets[++last] = buckets[i];
    }
  }
  buckets.resize(last + 1);
  return true;
}

/// Equal but for what floating point arithmetic may have done.
bool almost_equal(double a, double b) {
  constexpr double kTolerance = 1e-12;
  constexpr double kMinNormal = 2.2250738585072014e-308;
  if (a == b || (std::isnan(a) && std::isnan(b))) return true;
  const double sum = std::abs(a) + std::abs(b), difference = std::abs(a - b);
  if (a == 0 || b == 0 || sum < kMinNormal) return difference < kTolerance * kMinNormal;
  return difference / std::min(sum, std::numeric_limits<double>::max()) < kTolerance;
}

/// Cumulative counts cannot fall; where they do, through scrapes that were not atomic or through arithmetic, they are
/// held up.
Repair make_monotonic(std::vector<Bucket>& buckets) {
  Repair repair;
  double before = buckets.front().count;
  for (std::size_t i = 1; i < buckets.size(); ++i) {
    Bucket& b = buckets[i];
    if (b.count == before) continue;
    if (almost_equal(before, b.count)) {
      b.count = before;
    } else if (b.count < before) {
      repair.forced = true;
      repair.first = std::min(repair.first, b.upper);
      repair.last = std::max(repair.last, b.upper);
      repair.most = std::max(repair.most, before - b.count);
      b.count = before;
    } else {
      before = b.count;
    }
  }
  return repair;
}

double bucket_quantile(double q, std::vector<Bucket>& buckets, Repair& repair) {
  if (std::isnan(q)) return kNaN;
  if (q < 0) return -HUGE_VAL;
  if (q > 1) return HUGE_VAL;
  if (!order(buckets)) return kNaN;
  repair = make_monotonic(buckets);
  if (buckets.size() < 2) return kNaN;
  const double observations = buckets.back().count;
  if (observations == 0 || std::isnan(observations)) return kNaN;
  double rank = q * observations;
  const auto reached =
      std::partition_point(buckets.begin(), buckets.end() - 1, [&](const Bucket& b) { return !(b.count >= rank); });
  const std::size_t b = static_cast<std::size_t>(reached - buckets.begin());
  if (b == buckets.size() - 1) return buckets[b - 1].upper;
  if (b == 0 && buckets[0].upper <= 0) return buckets[0].upper;
  double start = 0, count = buckets[b].count;
  if (b > 0) {
    start = buckets[b - 1].upper;
    count -= buckets[b - 1].count;
    rank -= buckets[b - 1].count;
  }
  return start + (buckets[b].upper - start) * (rank / count);
}

/// The share of observations in (lower, upper].
double bucket_fraction(double lower, double upper, std::vector<Bucket>& buckets) {
  if (!order(buckets)) return kNaN;
  const double count = buckets.back().count;
  if (count == 0 || std::isnan(lower) || std::isnan(upper)) return kNaN;
  if (lower >= upper) return 0;
  double below = 0, lower_rank = count, upper_rank = count;
  bool has_lower = false, has_upper = false;
  for (std::size_t i = 0; i < buckets.size() && !(has_lower && has_upper); ++i) {
    const double to = buckets[i].upper;
    const double from = i > 0 ? buckets[i - 1].upper : to > 0 ? 0 : -HUGE_VAL;
    const auto look = [&](double bound, bool& has, double& rank) {
      if (has) return;
      if (from >= bound) {
        rank = below;
        has = true;
      } else if (to > bound) {
        // There is nothing to interpolate in a bucket without a lower end: it lies below the bound as a whole.
        rank = from == -HUGE_VAL ? buckets[i].count : below + (buckets[i].count - below) * (bound - from) / (to - from);
        has = true;
      }
    };
    look(lower, has_lower, lower_rank);
    look(upper, has_upper, upper_rank);
    below = buckets[i].count;
  }
  return (std::min(upper_rank, count) - std::min(lower_rank, count)) / count;
}

std::optional<double> parse_bound(std::string_view text) {
  std::string lowered;
  for (const char c : text) lowered += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string_view rest = lowered;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest.empty() || rest.starts_with('-') || rest.starts_with('+')) return std::nullopt;
  double v = 0;
  if (rest == "inf" || rest == "infinity") {
    v = HUGE_VAL;
  } else {
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), v);
    if (error != std::errc() || end != rest.data() + rest.size()) return std::nullopt;
  }
  return negative ? -v : v;
}

/// Whose bucket each series is.
class Histograms {
 public:
  void update(Evaluation& e, const SeriesListPtr& in) {
    if (in == from_) return;
    from_ = in;
    buckets_.clear();
    bad_.clear();
    auto list = std::make_shared<SeriesList>();
    std::unordered_map<Labels, std::size_t> index;
    for (std::size_t row = 0; row < in->size(); ++row) {
      e.work(kSeriesWork);
      const Labels& labels = (*in)[row].labels;
      const auto bound = parse_bound(labels.get("le"));
      if (!bound) {
        bad_.push_back(row);
        continue;
      }
      Labels rest = LabelsBuilder(labels).del("le").labels();
      const auto [at, made] = index.try_emplace(rest, list->size());
      if (made) {
        OutSeries s{std::move(rest), false};
        drop_name(s, e.options.delayed_name_removal);
        list->push_back(std::move(s));
        buckets_.emplace_back();
      }
      buckets_[at->second].emplace_back(row, *bound);
    }
    for (auto& buckets : buckets_) std::ranges::sort(buckets, {}, &std::pair<std::size_t, double>::second);
    series_ = std::move(list);
  }
  /// Of the series made from the buckets, before any label is added.
  const SeriesListPtr& list() const { return series_; }
  const SeriesList& series() const { return *series_; }
  std::size_t count() const { return series_->size(); }
  /// The buckets present at a step.
  void gather(const Block& in, std::size_t histogram, std::size_t step, std::vector<Bucket>& out) const {
    out.clear();
    for (const auto& [row, bound] : buckets_[histogram]) {
      const double v = in.row(row)[step];
      if (!is_absent(v)) out.push_back({bound, v});
    }
  }
  void warn_of_bad(Evaluation& e, const Block& in, const Expr& at) const {
    for (const std::size_t row : bad_) {
      bool any = false;
      for (std::size_t s = 0; s < in.steps() && !any; ++s) any = !is_absent(in.row(row)[s]);
      if (!any) continue;
      const Labels& labels = (*from_)[row].labels;
      std::string text =
          fmt::format("bucket label \"le\" is missing or has a malformed value of {}", quoted(labels.get("le")));
      if (e.options.delayed_name_removal && !labels.metric_name().empty()) {
        text += " for metric name " + quoted(labels.metric_name());
      }
      e.warn(std::move(text), at);
    }
  }

 private:
  SeriesListPtr from_;
  SeriesListPtr series_;
  std::vector<std::vector<std::pair<std::size_t, double>>> buckets_;
  std::vector<std::size_t> bad_;
};

/// Tells once per query that counts fell, and where and when.
class RepairNotes {
 public:
  void add(const Evaluation& e, const OutSeries& s, const Repair& repair, std::int64_t now) {
    const std::string name(e.options.delayed_name_removal ? s.labels.metric_name() : std::string_view());
    Note& note = notes_[name];
    note.repair.first = std::min(note.repair.first, repair.first);
    note.repair.last = std::max(note.repair.last, repair.last);
    note.repair.most = std::max(note.repair.most, repair.most);
    note.from = std::min(note.from, now);
    note.to = std::max(note.to, now);
    ++note.samples;
  }
  void tell(Evaluation& e, const Expr& at) const {
    for (const auto& [name, n] : notes_) {
      const auto time = [](std::int64_t t) { return format_rfc3339(TimePoint{Duration{t}}); };
      e.inform_as_is(fmt::format(
          "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see "
          "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){}, from buckets {} to "
          "{}, with a max "
          "diff of {:.2g}, over {} samples from {} to {} ({}:{})",
          name.empty() ? "" : " for metric name " + quoted(name), format_go_g(n.repair.first),
          format_go_g(n.repair.last), n.repair.most, n.samples, time(n.from), time(n.to), at.at.line, at.at.column));
    }
  }

 private:
  struct Note {
    Repair repair;
    std::int64_t from = std::numeric_limits<std::int64_t>::max();
    std::int64_t to = std::numeric_limits<std::int64_t>::min();
    std::size_t samples = 0;
  };
  std::map<std::string, Note> notes_;
};

/// histogram_quantile, histogram_quantiles and histogram_fraction.
class HistogramFunction final : public VectorNode {
 public:
  HistogramFunction(Special kind, const Expr& vector_expr, VectorNodePtr inner, std::vector<ScalarNodePtr> params,
                    std::vector<const Expr*> param_exprs, std::string label)
      : kind_(kind),
        vector_expr_(vector_expr),
        inner_(std::move(inner)),
        params_(std::move(params)),
        param_exprs_(std::move(param_exprs)),
        label_(std::move(label)) {}

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    std::vector<std::vector<double>> params;
    for (const ScalarNodePtr& p : params_) {
      auto values = p->eval(e, steps);
      if (!values) return tl::make_unexpected(values.error());
      params.push_back(std::move(*values));
    }
    auto in = inner_->eval(e, steps);
    if (!in) return in;
    histograms_.update(e, in->series);
    histograms_.warn_of_bad(e, *in, vector_expr_);
    if (kind_ == Special::kHistogramFraction) {
      auto out = e.block(histograms_.list(), steps.count);
      if (!out) return out;
      each(e, *in, [&](std::size_t h, std::size_t s) {
        out->row(h)[s] = bucket_fraction(params[0][s], params[1][s], buckets_);
      });
      return finish(e, std::move(*out));
    }
    warn_of_quantiles(e, params);
    RepairNotes notes;
    const auto value = [&](double q, std::size_t h, std::size_t s) {
      Repair repair;
      const double v = bucket_quantile(q, buckets_, repair);
      if (repair.forced) notes.add(e, histograms_.series()[h], repair, steps.at(s));
      return v;
    };
    if (kind_ == Special::kHistogramQuantile) {
      auto out = e.block(histograms_.list(), steps.count);
      if (!out) return out;
      each(e, *in, [&](std::size_t h, std::size_t s) { out->row(h)[s] = value(params[0][s], h, s); });
      notes.tell(e, vector_expr_);
      return finish(e, std::move(*out));
    }
    auto list = std::make_shared<SeriesList>();
    std::vector<std::vector<double>> rows;
    for (std::size_t p = 0; p < params.size(); ++p) {
      // A label may be different at each step, when the quantile is.
      std::map<std::string, std::size_t> first_row;
      each(e, *in, [&](std::size_t h, std::size_t s) {
        const std::string key = label_value(params[p][s]);
        const auto [at, made] = first_row.try_emplace(key, list->size());
        if (made) {
          e.make_room((rows.size() + histograms_.count()) * steps.count);
          for (OutSeries series : histograms_.series()) {
            series.labels = LabelsBuilder(series.labels).set(label_, key).labels();
            list->push_back(std::move(series));
            rows.emplace_back(steps.count, kAbsent);
          }
        }
        rows[at->second + h][s] = value(params[p][s], h, s);
      });
    }
    notes.tell(e, vector_expr_);
    auto out = e.block(std::move(list), steps.count);
    if (!out) return out;
    for (std::size_t row = 0; row < rows.size(); ++row) std::ranges::copy(rows[row], out->row(row));
    return finish(e, std::move(*out));
  }

 private:
  /// Calls visit(histogram, step) with the buckets gathered, where there are any.
  template <class Visit>
  void each(Evaluation& e, const Block& in, Visit&& visit) {
    for (std::size_t h = 0; h < histograms_.count(); ++h) {
      for (std::size_t s = 0; s < in.steps(); ++s) {
        histograms_.gather(in, h, s, buckets_);
        e.work(4 * buckets_.size() + 1);
        if (!buckets_.empty()) visit(h, s);
      }
    }
  }
  static std::string label_value(double q) {
    std::string text = format_go_g(q);
    // OpenMetrics: a whole number says that it is a float.
    return text.find_first_of(".eNI") == std::string::npos ? text + ".0" : text;
  }

  void warn_of_quantiles(Evaluation& e, const std::vector<std::vector<double>>& params) const {
    for (std::size_t p = 0; p < params.size(); ++p) {
      for (const double q : params[p]) {
        if (q >= 0 && q <= 1) continue;
        e.warn("quantile value should be between 0 and 1, got " + format_go_g(q), *param_exprs_[p]);
      }
    }
  }

  /// Series that fell together when their names went.
  Result<Block> finish(Evaluation& e, Block out) {
    return merged_.apply(e, std::move(out), Relabelling::Collision::kMerge, [](OutSeries&) {});
  }

  const Special kind_;
  const Expr& vector_expr_;
  VectorNodePtr inner_;
  std::vector<ScalarNodePtr> params_;
  std::vector<const Expr*> param_exprs_;
  const std::string label_;
  Histograms histograms_;
  std::vector<Bucket> buckets_;
  Relabelling merged_;
};

}  // namespace

VectorNodePtr make_histogram_function(const Call& call, Planner& planner) {
  const auto kind = std::get<Special>(call.function->kernel);
  std::vector<ScalarNodePtr> params;
  std::vector<const Expr*> param_exprs;
  const Expr* vector = nullptr;
  std::string label;
  for (const ExprPtr& arg : call.args) {
    if (arg->type() == ValueType::kVector) {
      vector = &unwrap(*arg);
    } else if (arg->type() == ValueType::kString) {
      label = unwrap(*arg).as<StringLiteral>()->text;
    } else {
      params.push_back(planner.scalar(*arg));
      param_exprs.push_back(&unwrap(*arg));
    }
  }
  return std::make_unique<HistogramFunction>(kind, *vector, planner.vector(*vector), std::move(params),
                                             std::move(param_exprs), std::move(label));
}

}  // namespace tocsin::promql
