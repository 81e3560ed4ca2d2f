// `tocsin backtest`: what rules would have done over history, as a table, and as a picture of when each alert was
// active. With a sweep, one line per variant, so that a `for` or a threshold can be chosen by what it would have cost.

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "agent/backtest.h"
#include "agent/cli/command.h"
#include "agent/core/clock.h"
#include "agent/prometheus_client.h"
#include "probes/exposition_history.h"
#include "rules/promql/reach.h"

namespace tocsin::cli {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kPlotColumns = 72;
constexpr std::size_t kPlotRowsMax = 40;

struct Options {
  std::string rules;
  std::string config;
  std::string from;
  std::string to;
  std::string url;
  std::string data;
  std::string alert;
  std::vector<std::string> sweep_for;
  std::vector<double> sweep_threshold;
  bool plot = true;
};

/// `2026-01-31T12:00:00Z`, seconds since 1970, `now`, or a duration before now.
Result<TimePoint> read_time(const std::string& text, TimePoint now) {
  if (text == "now") return now;
  if (const auto time = parse_rfc3339(text)) return *time;
  if (const auto ago = parse_duration(text)) return now - *ago;
  char* end = nullptr;
  const double seconds = std::strtod(text.c_str(), &end);
  if (!text.empty() && end == text.c_str() + text.size() && std::abs(seconds) < 1e12) {
    return TimePoint(Duration(std::llround(seconds * 1000)));
  }
  return fail("{} is no time: RFC 3339, seconds since 1970, or a duration before now", tocsin::quoted(text));
}

/// Everything the rules read, from a server.
asio::awaitable<Result<promql::Matrix>> fetch_all(HttpClient& http, const Clock& clock, const std::string& url,
                                                  std::vector<promql::SelectorReach> reach, TimePoint from,
                                                  TimePoint to) {
  promql::Matrix all;
  std::set<Labels> seen;
  for (const promql::SelectorReach& selector : reach) {
    const TimePoint begin = selector.at.value_or(from) - selector.before;
    const TimePoint end = selector.at.value_or(to) + selector.after;
    Result<promql::Matrix> series = co_await fetch_samples(http, clock, url, selector.text, begin, end);
    if (!series) co_return series;
    for (promql::MatrixSeries& s : *series) {
      if (seen.insert(s.labels).second) all.push_back(std::move(s));
    }
  }
  co_return all;
}

/// What all rules read of each selector.
std::vector<promql::SelectorReach> reach_of(const std::vector<RuleGroupConfig>& groups) {
  std::map<std::string, promql::SelectorReach> by_text;
  for (const RuleGroupConfig& group : groups) {
    for (const RuleConfig& rule : group.rules) {
      const auto expr = promql::parse(rule.expr);
      if (!expr) continue;
      for (promql::SelectorReach& r : promql::selector_reach(**expr)) {
        std::string key = r.text + (r.at ? format_rfc3339(*r.at) : "");
        r.before += group.query_offset.value_or(Duration{0});
        auto [at, is_new] = by_text.try_emplace(std::move(key), r);
        at->second.before = std::max(at->second.before, r.before);
        at->second.after = std::max(at->second.after, r.after);
      }
    }
  }
  std::vector<promql::SelectorReach> out;
  for (auto& [text, r] : by_text) out.push_back(std::move(r));
  return out;
}

Result<promql::Matrix> read_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad()) return fail("{}:1:1: The file cannot be read.", file);
  Result<ExpositionHistory> history = read_exposition_history(file, text);
  if (!history) return tl::make_unexpected(history.error());
  promql::Matrix out;
  for (auto& [labels, samples] : history->series) out.push_back({labels, std::move(samples)});
  return out;
}

Result<promql::Matrix> read_data(const Options& options, const Backtest& plan) {
  if (!options.data.empty()) return read_file(options.data);
  asio::io_context io(1);
  SystemClock clock;
  HttpClient http(io.get_executor());
  Result<promql::Matrix> out = fail("nothing was read");
  const TimePoint from = plan.from - backtest_warm_up(plan.groups);
  asio::awaitable<Result<promql::Matrix>> fetch =
      fetch_all(http, clock, options.url, reach_of(plan.groups), from, plan.to);
  asio::co_spawn(io, std::move(fetch), [&](std::exception_ptr failure, Result<promql::Matrix> series) {
    if (!failure) out = std::move(series);
    io.stop();
  });
  io.run();
  return out;
}

std::string seconds_of(Duration d) {
  return format_duration(std::chrono::duration_cast<std::chrono::seconds>(d));
}

/// What one play gives, in one line of the sweep's table.
struct Totals {
  std::size_t fired = 0;
  std::size_t pending_only = 0;
  Duration firing{0};
  Duration longest{0};
  std::uint64_t pages = 0;
};

Totals totals(const BacktestReport& report, const Backtest& plan, const std::string& alert) {
  Totals out;
  for (const BacktestRule& rule : report.rules) {
    if (!rule.is_alert || (!alert.empty() && rule.name != alert)) continue;
    out.fired += rule.fired();
    out.pending_only += rule.occurrences.size() - rule.fired();
    out.firing += rule.firing_time(plan.from, plan.to);
    for (const BacktestOccurrence& o : rule.occurrences) {
      if (o.fired_at) out.longest = std::max(out.longest, o.ended_at.value_or(plan.to) - *o.fired_at);
    }
  }
  for (const auto& [where, count] : report.pages) out.pages += count.first;
  return out;
}

void print_table(const BacktestReport& report, const Backtest& plan, const std::string& alert) {
  fmt::print("{:<40} {:>6} {:>8} {:>12} {:>12} {:>12}\n", "ALERT", "FIRED", "PENDING", "FIRING FOR", "LONGEST", "PEAK");
  for (const BacktestRule& rule : report.rules) {
    if (rule.failures > 0) {
      fmt::print("{}: {} of {} evaluations failed: {}\n", rule.name, rule.failures, rule.evaluations, rule.last_error);
    }
    if (!rule.is_alert || (!alert.empty() && rule.name != alert)) continue;
    BacktestReport one;
    one.rules.push_back(rule);
    const Totals t = totals(one, plan, "");
    double peak = 0;
    for (const BacktestOccurrence& o : rule.occurrences) peak = std::abs(o.peak) > std::abs(peak) ? o.peak : peak;
    fmt::print("{:<40} {:>6} {:>8} {:>12} {:>12} {:>12.6g}\n", rule.name, t.fired, t.pending_only, seconds_of(t.firing),
               seconds_of(t.longest), peak);
  }
  if (!plan.notify) return;
  fmt::print("\n{:<40} {:>6} {:>8}\n", "RECEIVER / CHANNEL", "PAGES", "RESOLVED");
  for (const auto& [where, count] : report.pages) {
    fmt::print("{:<40} {:>6} {:>8}\n", where.first + " / " + where.second, count.first, count.second);
  }
  if (report.pages.empty()) fmt::print("nobody would have been told\n");
}

/// A row per alert: ░ pending, █ firing.
void print_plot(const BacktestReport& report, const Backtest& plan, const std::string& alert) {
  std::map<std::pair<std::string, Labels>, std::vector<int>> rows;
  const double width = static_cast<double>((plan.to - plan.from).count()) / kPlotColumns;
  const auto column = [&](TimePoint t) {
    const double at = static_cast<double>((t - plan.from).count()) / width;
    return static_cast<std::size_t>(std::clamp(at, 0.0, static_cast<double>(kPlotColumns - 1)));
  };
  for (const BacktestRule& rule : report.rules) {
    if (!alert.empty() && rule.name != alert) continue;
    for (const BacktestOccurrence& o : rule.occurrences) {
      std::vector<int>& row = rows.try_emplace({rule.name, o.labels}, kPlotColumns, 0).first->second;
      const TimePoint end = o.ended_at.value_or(plan.to);
      for (std::size_t c = column(o.pending_at); c <= column(end); ++c) row[c] = std::max(row[c], 1);
      for (std::size_t c = o.fired_at ? column(*o.fired_at) : kPlotColumns; c <= column(end) && c < kPlotColumns; ++c) {
        row[c] = 2;
      }
    }
  }
  std::size_t printed = 0;
  for (const auto& [key, row] : rows) {
    if (++printed > kPlotRowsMax) continue;
    std::string line;
    for (const int level : row) line += level == 2 ? "█" : level == 1 ? "░" : "·";
    LabelsBuilder labels(key.second);
    labels.del("alertname");
    fmt::print("{} {}{}\n", line, key.first, labels.labels().str());
  }
  if (printed > kPlotRowsMax) fmt::print("… and {} more\n", printed - kPlotRowsMax);
  if (printed > 0) fmt::print("{:<{}}{}\n\n", format_rfc3339(plan.from), kPlotColumns - 20, format_rfc3339(plan.to));
}

/// The groups with one value changed in every alert that it concerns.
template <class Change>
std::vector<RuleGroupConfig> changed(std::vector<RuleGroupConfig> groups, const std::string& alert, Change&& change) {
  for (RuleGroupConfig& group : groups) {
    for (RuleConfig& rule : group.rules) {
      if (!rule.alert.empty() && (alert.empty() || rule.alert == alert)) change(rule);
    }
  }
  return groups;
}

void print_sweep_line(const std::string& variant, const Totals& t) {
  fmt::print("{:<24} {:>6} {:>8} {:>12} {:>12} {:>6}\n", variant, t.fired, t.pending_only, seconds_of(t.firing),
             seconds_of(t.longest), t.pages);
}

int sweep(const Options& options, const Backtest& plan, const promql::Matrix& data) {
  fmt::print("{:<24} {:>6} {:>8} {:>12} {:>12} {:>6}\n", "VARIANT", "FIRED", "PENDING", "FIRING FOR", "LONGEST",
             "PAGES");
  const auto play = [&](const std::string& variant, std::vector<RuleGroupConfig> groups) {
    Backtest other = plan;
    other.groups = std::move(groups);
    print_sweep_line(variant, totals(run_backtest(other, data), other, options.alert));
  };
  play("as written", plan.groups);
  for (const std::string& text : options.sweep_for) {
    const auto duration = parse_duration(text);
    play("for = " + text, changed(plan.groups, options.alert, [&](RuleConfig& rule) { rule.for_ = *duration; }));
  }
  for (const double threshold : options.sweep_threshold) {
    play(fmt::format("threshold = {}", threshold), changed(plan.groups, options.alert, [&](RuleConfig& rule) {
           if (auto expr = with_threshold(rule.expr, threshold)) rule.expr = std::move(*expr);
         }));
  }
  return kGood;
}

/// The plan without its data. Tells what is wrong with the options and the files.
std::optional<Backtest> make_plan(const Options& options) {
  const TimePoint now = SystemClock().now();
  std::string mistakes;
  Backtest plan;
  const auto from = read_time(options.from, now);
  const auto to = read_time(options.to, now);
  if (!from || !to) mistakes += (from ? to : from).error().message + "\n";
  if (from && to && *from >= *to) mistakes += "--from must lie before --to\n";
  if (options.url.empty() == options.data.empty()) mistakes += "give either --url or --data\n";
  for (const std::string& text : options.sweep_for) {
    if (const auto good = parse_duration(text); !good) mistakes += "--sweep-for: " + good.error().message + "\n";
  }
  Diagnostics diagnostics;
  plan.groups = load_rule_files({options.rules}, ".", diagnostics);
  mistakes += diagnostics.str();
  auto context = std::make_shared<RuleContext>();
  if (!options.config.empty()) {
    const std::shared_ptr<const Config> config = load_or_complain(options.config);
    if (config == nullptr) return std::nullopt;
    plan.notify = config->notify;
    context->external_labels = config->external_labels;
    context->external_url = config->notify->external_url;
    context->evaluation_interval = config->evaluation_interval;
  }
  if (!mistakes.empty()) {
    fmt::print(stderr, "{}", mistakes);
    return std::nullopt;
  }
  plan.context = context;
  plan.from = *from;
  plan.to = *to;
  return plan;
}

int backtest(const Options& options) {
  std::optional<Backtest> plan = make_plan(options);
  if (!plan) return kWrongInput;
  Result<promql::Matrix> data = read_data(options, *plan);
  if (!data) {
    fmt::print(stderr, "{}\n", data.error().message);
    return kBad;
  }
  std::size_t samples = 0;
  for (const promql::MatrixSeries& series : *data) samples += series.samples.size();
  fmt::print("{} to {}: {} series, {} samples\n\n", format_rfc3339(plan->from), format_rfc3339(plan->to), data->size(),
             samples);
  if (!options.sweep_for.empty() || !options.sweep_threshold.empty()) return sweep(options, *plan, *data);
  const BacktestReport report = run_backtest(*plan, *data);
  if (options.plot) print_plot(report, *plan, options.alert);
  print_table(report, *plan, options.alert);
  return kGood;
}

}  // namespace

void add_backtest(CLI::App& app, int& exit) {
  auto* command = app.add_subcommand("backtest", "What rules would have done over history");
  auto o = std::make_shared<Options>();
  command->add_option("RULES", o->rules, "Rule file or glob")->required();
  command->add_option("--from", o->from, "Start: RFC 3339, seconds since 1970, or a duration before now")->required();
  command->add_option("--to", o->to, "End, the same way")->default_val("now");
  command->add_option("--url", o->url, "Server to read samples from: a Prometheus, or an agent")->type_name("URL");
  command->add_option("--data", o->data, "Or a file: text exposition or OpenMetrics with timestamps")
      ->type_name("FILE");
  command->add_option("-c,--config", o->config, "Configuration whose routes say who would have been paged")
      ->type_name("FILE");
  command->add_option("--alert", o->alert, "Only this alert")->type_name("NAME");
  command->add_option("--sweep-for", o->sweep_for, "Try each of these as `for`: 0s,1m,5m")->delimiter(',');
  command->add_option("--sweep-threshold", o->sweep_threshold, "Try each of these as threshold: 0.5,0.8")
      ->delimiter(',');
  command->add_flag("--plot,!--no-plot", o->plot, "Draw when alerts were active");
  command->callback([o, &exit] { exit = backtest(*o); });
}

}  // namespace tocsin::cli
