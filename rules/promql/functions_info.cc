// info(v, {data="…"}): adds labels of info metrics (series like target_info, whose value says nothing) to the series of
// v. Both belong together when they agree on the labels `instance` and `job`. The second argument is no selector but a
// list of conditions: its matchers say which info series count and which labels are taken from them; those on
// `__name__` say which metrics are info metrics.
//
// Which series may belong together is found once per pair of lists. What remains for each step is to find the newest
// info sample of each group, as info series come and go when a target's version changes.

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <unordered_map>

#include "rules/promql/functions.h"
#include "rules/promql/plan.h"

namespace tocsin::promql {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
constexpr std::array<std::string_view, 2> kIdentifying = {"instance", "job"};

std::int64_t ms(const Sample& s) {
  return s.t.time_since_epoch().count();
}
TimePoint at_ms(std::int64_t t) {
  return TimePoint{Duration{t}};
}

/// The time of the first selector in an expression decides where info samples are looked for.
const TimeModifiers* time_of_first_selector(const Expr& expr) {
  if (const auto* selector = expr.as<VectorSelector>()) return &selector->time;
  if (const auto* matrix = expr.as<MatrixSelector>()) return &matrix->selector.time;
  if (const auto* aggregate = expr.as<Aggregate>()) return time_of_first_selector(*aggregate->inner);
  const TimeModifiers* found = nullptr;
  for_each_child(expr, [&](const ExprPtr& child) {
    if (found == nullptr) found = time_of_first_selector(*child);
  });
  return found;
}

class Info final : public VectorNode {
 public:
  Info(const Call& call, VectorNodePtr inner) : call_(call), inner_(std::move(inner)) {
    if (call.args.size() > 1) {
      for (const Matcher& m : unwrap(*call.args[1]).as<VectorSelector>()->matchers) {
        (m.name() == kMetricName ? names_ : data_).push_back(m);
      }
    }
    const auto positive = [](const Matcher& m) { return m.op() == MatchOp::kEqual || m.op() == MatchOp::kRegex; };
    if (names_.empty()) {
      names_.push_back(Matcher::equal(kMetricName, "target_info"));
    } else if (std::ranges::none_of(names_, positive)) {
      names_.push_back(*Matcher::make(kMetricName, MatchOp::kRegex, ".+_info"));
    }
    select_ = names_;
    select_.insert(select_.end(), data_.begin(), data_.end());
    data_may_miss_ = std::ranges::all_of(data_, [](const Matcher& m) { return m.matches_empty(); });
  }

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto in = inner_->eval(e, steps);
    if (!in) return in;
    select(e);
    if (in->series != base_) prepare(*in);
    restrict(*in);
    if (auto ok = read(e, steps); !ok) return tl::make_unexpected(ok.error());
    return join(e, *in, steps);
  }

 private:
  struct InfoSeries {
    SeriesRef ref;
    Labels labels;
    std::uint32_t group = 0;
  };

  bool is_info(const Labels& labels) const {
    return std::ranges::all_of(names_, [&](const Matcher& m) { return m.matches(labels.metric_name()); });
  }
  static Labels group_key(std::string_view name, const Labels& labels) {
    LabelList key{{std::string(kMetricName), std::string(name)}};
    for (const std::string_view label : kIdentifying) key.emplace_back(label, labels.get(label));
    return Labels(key);
  }

  void select(Evaluation& e);
  void prepare(const Block& in);
  void restrict(const Block& in);
  Result<void> read(Evaluation& e, const Steps& steps);
  Result<std::uint32_t> winner(std::uint32_t group, std::size_t step, std::size_t steps) const;
  Result<Labels> enrich(const Labels& base, const std::vector<std::uint32_t>& infos) const;
  Result<Block> join(Evaluation& e, const Block& in, const Steps& steps);

  const Call& call_;
  VectorNodePtr inner_;
  Matchers names_, data_, select_;
  bool data_may_miss_ = true;

  const SeriesStore* store_ = nullptr;
  std::uint64_t generation_ = 0;
  std::vector<InfoSeries> infos_;
  std::vector<std::vector<std::uint32_t>> members_;  // of each group
  std::unordered_map<Labels, std::uint32_t> groups_;
  std::vector<std::string> metrics_;  // names of the info metrics there are, sorted

  SeriesListPtr base_;
  std::vector<char> passes_;                          // base series that are info series themselves
  std::vector<std::vector<std::uint32_t>> may_have_;  // groups for each base series, in the order of metrics_
  std::vector<char> counts_;  // info series that belong to one of the targets of this evaluation

  std::vector<std::int64_t> times_;  // of the info samples, series by series; the least number: none
  std::vector<Sample> buffer_;
  SeriesListPtr out_;
  std::shared_ptr<SeriesList> growing_;
  std::unordered_map<Labels, std::uint32_t> rows_;
  std::map<std::vector<std::uint32_t>, std::uint32_t> row_of_;  // base row and the infos it got
};

void Info::select(Evaluation& e) {
  if (store_ == &e.store && generation_ == e.store.generation()) return;
  store_ = &e.store;
  generation_ = e.store.generation();
  infos_.clear();
  members_.clear();
  groups_.clear();
  base_.reset();
  std::set<std::string, std::less<>> names;
  for (SelectedSeries& s : e.store.select(select_, TimePoint::min(), TimePoint::max())) {
    const auto [at, made] =
        groups_.try_emplace(group_key(s.labels.metric_name(), s.labels), static_cast<std::uint32_t>(members_.size()));
    if (made) members_.emplace_back();
    members_[at->second].push_back(static_cast<std::uint32_t>(infos_.size()));
    names.emplace(s.labels.metric_name());
    infos_.push_back({s.ref, std::move(s.labels), at->second});
  }
  metrics_.assign(names.begin(), names.end());
}

void Info::prepare(const Block& in) {
  base_ = in.series;
  passes_.clear();
  may_have_.clear();
  out_ = growing_ = std::make_shared<SeriesList>();
  rows_.clear();
  row_of_.clear();
  for (const OutSeries& s : *base_) {
    passes_.push_back(is_info(s.labels) ? 1 : 0);
    auto& groups = may_have_.emplace_back();
    for (const std::string& name : metrics_) {
      if (const auto at = groups_.find(group_key(name, s.labels)); at != groups_.end()) groups.push_back(at->second);
    }
  }
}

/// Info series of other targets than those asked for are left alone: they may contradict each other as they like.
void Info::restrict(const Block& in) {
  std::array<std::set<std::string_view>, kIdentifying.size()> wanted;
  for (std::size_t row = 0; row < in.rows(); ++row) {
    const double* const v = in.row(row);
    if (passes_[row] != 0 || std::all_of(v, v + in.steps(), is_absent)) continue;
    for (std::size_t i = 0; i < kIdentifying.size(); ++i) {
      if (const std::string_view value = (*base_)[row].labels.get(kIdentifying[i]); !value.empty()) {
        wanted[i].insert(value);
      }
    }
  }
  const bool none = std::ranges::all_of(wanted, [](const auto& values) { return values.empty(); });
  counts_.assign(infos_.size(), 0);
  for (std::size_t i = 0; i < infos_.size() && !none; ++i) {
    bool all = true;
    for (std::size_t k = 0; k < kIdentifying.size(); ++k) {
      all = all && (wanted[k].empty() || wanted[k].contains(infos_[i].labels.get(kIdentifying[k])));
    }
    counts_[i] = all ? 1 : 0;
  }
}

Result<void> Info::read(Evaluation& e, const Steps& steps) {
  // Prometheus fetches info samples for the time that the first selector of the argument looks at, but evaluates them
  // at the steps of the query.
  std::int64_t from = steps.start, to = steps.at(steps.count - 1);
  if (const TimeModifiers* time = time_of_first_selector(*call_.args[0]); time != nullptr) {
    auto offset = resolve(time->offset, e, true);
    if (!offset) return tl::make_unexpected(offset.error());
    if (time->anchor == AtAnchor::kTime) from = to = time->at.time_since_epoch().count();
    if (time->anchor == AtAnchor::kStart) from = to = e.query.start;
    if (time->anchor == AtAnchor::kEnd) from = to = e.query.end;
    from -= *offset;
    to -= *offset;
  }
  const std::int64_t lookback = e.options.lookback.count();
  times_.assign(infos_.size() * steps.count, std::numeric_limits<std::int64_t>::min());
  for (std::size_t i = 0; i < infos_.size(); ++i) {
    if (counts_[i] == 0) continue;
    buffer_.clear();
    e.store.samples(infos_[i].ref, at_ms(from - lookback + 1), at_ms(to), buffer_);
    e.samples_read += buffer_.size();
    ++e.series_matched;
    std::size_t next = 0;
    for (std::size_t s = 0; s < steps.count; ++s) {
      const std::int64_t at = steps.at(s);
      while (next < buffer_.size() && ms(buffer_[next]) <= at) ++next;
      if (next == 0) continue;
      const Sample& newest = buffer_[next - 1];
      if (ms(newest) > at - lookback && !is_stale(newest.v)) times_[i * steps.count + s] = ms(newest);
    }
  }
  return {};
}

/// The info series of a group that speaks at a step: the one with the newest sample.
Result<std::uint32_t> Info::winner(std::uint32_t group, std::size_t step, std::size_t steps) const {
  std::uint32_t found = kNone;
  std::int64_t newest = std::numeric_limits<std::int64_t>::min();
  for (const std::uint32_t i : members_[group]) {
    const std::int64_t t = times_[i * steps + step];
    if (t == std::numeric_limits<std::int64_t>::min() || t < newest) continue;
    if (t == newest) {
      return fail("found duplicate series for info metric: existing {} @ {}, new {} @ {}", infos_[found].labels.str(),
                  newest, infos_[i].labels.str(), t);
    }
    newest = t;
    found = i;
  }
  return found;
}

Result<Labels> Info::enrich(const Labels& base, const std::vector<std::uint32_t>& infos) const {
  std::map<std::string_view, std::string_view> taken;
  for (const std::uint32_t i : infos) {
    for (const Label& label : infos_[i].labels) {
      if (label.name == kMetricName) continue;
      const auto asked = [&](const Matcher& m) { return m.name() == label.name; };
      if (!data_.empty() && std::ranges::none_of(data_, asked)) continue;
      if (const auto at = taken.find(label.name); at != taken.end() && at->second != label.value) {
        return fail("conflicting label: {}", label.name);
      }
      if (!base.has(label.name)) taken.emplace(label.name, label.value);
    }
  }
  LabelsBuilder builder(base);
  for (const auto& [name, value] : taken) builder.set(name, value);
  return builder.labels();
}

Result<Block> Info::join(Evaluation& e, const Block& in, const Steps& steps) {
  std::vector<std::uint32_t> winners(members_.size(), kNone);
  std::vector<std::vector<std::pair<std::uint32_t, double>>> results(steps.count);
  std::vector<std::uint32_t> key;
  for (std::size_t s = 0; s < steps.count; ++s) {
    for (std::uint32_t g = 0; g < members_.size(); ++g) {
      const auto found = winner(g, s, steps.count);
      if (!found) return tl::make_unexpected(found.error());
      winners[g] = *found;
    }
    for (std::uint32_t row = 0; row < in.rows(); ++row) {
      const double v = in.row(row)[s];
      if (is_absent(v)) continue;
      key.assign(1, row);
      if (passes_[row] == 0) {
        for (const std::uint32_t g : may_have_[row]) {
          if (winners[g] != kNone) key.push_back(winners[g]);
        }
        if (key.size() == 1 && !data_may_miss_) continue;
      }
      auto at = row_of_.find(key);
      if (at == row_of_.end()) {
        const OutSeries& base = (*base_)[row];
        auto labels = enrich(base.labels, {key.begin() + 1, key.end()});
        if (!labels) return tl::make_unexpected(labels.error());
        const auto [place, made] = rows_.try_emplace(*labels, static_cast<std::uint32_t>(growing_->size()));
        if (growing_ == out_) growing_ = std::make_shared<SeriesList>(*out_);  // others may hold the list as it was
        if (made) growing_->push_back({std::move(*labels), base.drop_name});
        at = row_of_.emplace(key, place->second).first;
      }
      results[s].emplace_back(at->second, v);
    }
  }
  out_ = growing_;
  auto out = e.block(out_, steps.count);
  if (!out) return out;
  for (std::size_t s = 0; s < steps.count; ++s) {
    for (const auto& [row, v] : results[s]) {
      if (!is_absent(out->row(row)[s])) return fail("{}", kSameLabelset);
      out->row(row)[s] = v;
    }
  }
  return out;
}

}  // namespace

VectorNodePtr make_info(const Call& call, Planner& planner) {
  return std::make_unique<Info>(call, planner.vector(*call.args[0]));
}

}  // namespace tocsin::promql
