#include "tests/timeline/timeline.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "agent/core/embedded.h"
#include "notifiers/alert_manager.h"
#include "rules/rule_group.h"
#include "rules/rule_query.h"
#include "tests/notifiers/timeline.h"
#include "tests/timeline/script.h"

namespace tocsin::test {
namespace {

using Kind = ScriptLine::Kind;
constexpr Duration kTick = std::chrono::seconds(1);
constexpr TimePoint kStart{std::chrono::sys_days{std::chrono::year{2026} / 1 / 5}};

struct Told {
  Duration at;
  std::string receiver;
  std::string status;
  Labels alert;  // the alert's name as __name__
  bool expected = false;

  std::string str() const {
    return fmt::format("{} {} {} {}", format_duration(at), receiver, status, alert.metric_str());
  }
};

Labels named(const Labels& alert) {
  LabelsBuilder builder(alert);
  builder.set(kMetricName, alert.get("alertname")).del("alertname");
  return builder.labels();
}

/// Every label that `wanted` names is there with that value.
bool is_subset(const Labels& wanted, const Labels& labels) {
  for (const Label label : wanted) {
    if (labels.get(label.name) != label.value) return false;
  }
  return true;
}

class Player {
 public:
  explicit Player(std::vector<ScriptLine> lines) : lines_(std::move(lines)) {}

  TimelineOutcome play() {
    for (const ScriptLine& line : lines_) {
      if (line.kind == Kind::kConfig || line.kind == Kind::kPack) configure(line);
      end_ = std::max(end_, line.kind == Kind::kRestart ? line.at + line.every : line.until);
    }
    start_agent();
    for (now_ = Duration{0}; now_ <= end_; now_ += kTick) tick();
    for (const ScriptLine& line : lines_) check_told(line);
    for (const Told& told : told_) outcome_.told += told.str() + "\n";
    return std::move(outcome_);
  }

 private:
  TimePoint time() const { return kStart + now_; }
  void failed(const ScriptLine& line, std::string_view what) {
    outcome_.failures.push_back(fmt::format("line {}: {}: {}", line.number, line.text, what));
  }

  void configure(const ScriptLine& line) {
    Diagnostics diagnostics;
    if (line.kind == Kind::kPack) {
      const std::string path = "rules/packs/" + line.word + ".toml";
      const auto groups = parse_rule_file(embedded_file(path), path, diagnostics);
      groups_.insert(groups_.end(), groups.begin(), groups.end());
    } else {
      // The document of an agent has both; each part reads its own tables.
      const ConfigNode document = parse_toml(line.what, "config", diagnostics);
      ConfigNode rules{ConfigNode::Map{}, document.at}, rest{ConfigNode::Map{}, document.at};
      for (const auto& entry : *document.as_map()) {
        (entry.key == "group" ? rules : rest).as_map()->push_back(entry);
      }
      groups_ = read_rule_groups(rules, "config", diagnostics);
      Fields f(rest, diagnostics);
      notify_ = read_notify_config(f);
      f.reject_unknown_keys();
    }
    if (!diagnostics.empty()) failed(line, diagnostics.str());
  }

  void start_agent() {
    store_ = std::make_unique<SeriesStore>();
    running_.clear();
    for (const RuleGroupConfig& group : groups_) running_.emplace_back(group, context_);
    if (!notify_) {
      const ConfigNode empty{ConfigNode::Map{}, {}};
      Diagnostics ignored;
      Fields f(empty, ignored);
      notify_ = read_notify_config(f);
    }
    manager_ = std::make_unique<AlertManager>(notify_);
    manager_->restore(state_.snapshot(), time());
    std::vector<AlertStateRow> rows;
    for (const auto& [key, row] : alert_states_) rows.push_back(row);
    for (RuleGroup& group : running_) take(group.restore(rows, time()));
  }

  void reload(const ScriptLine& line) {
    configure(line);
    std::vector<RuleGroup> before = std::move(running_);
    running_.clear();
    for (const RuleGroupConfig& config : groups_) {
      RuleGroup& group = running_.emplace_back(config, context_);
      const auto old =
          std::find_if(before.begin(), before.end(), [&](const auto& g) { return g.key() == group.key(); });
      if (old == before.end()) continue;
      take(group.adopt(std::move(*old), time()));
      before.erase(old);
    }
    for (RuleGroup& gone : before) take(gone.retire(time(), *store_));
    take(manager_->reload(notify_, time()));
  }

  void take(GroupEvaluation evaluation) {
    for (const AlertStateRow& row : evaluation.changes.put_alert_states) alert_states_[{row.rule_id, row.labels}] = row;
    for (const auto& key : evaluation.changes.drop_alert_states) alert_states_.erase(key);
    state_.commit(manager_->apply(evaluation.alerts, time()));
  }

  void take(DueNotifications due) {
    state_.commit(due.changes);
    for (const OutboxRow& row : due.messages) {
      const Result<Notification> message = notification_from_json(row.notification);
      for (const NotifiedAlert& alert : message->alerts) {
        told_.push_back({now_, message->receiver, alert.resolved ? "resolved" : "firing", named(alert.labels)});
      }
      state_.commit(manager_->delivered({row.incident, row.channel, row.sequence, true, time(), "", ""}, time()));
      StateChange sent;
      sent.put_outbox.push_back(row);
      sent.put_outbox.back().state = "delivered";
      state_.commit(sent);
    }
  }

  void tick() {
    for (const ScriptLine& line : lines_) {
      if (line.kind == Kind::kRestart && line.at == now_) away_until_ = now_ + line.every;
    }
    if (away_until_ && now_ < *away_until_) return;
    if (away_until_) {
      away_until_.reset();
      start_agent();
    }
    for (const ScriptLine& line : lines_) append(line);
    for (const ScriptLine& line : lines_) {
      if (line.kind == Kind::kReload && line.at == now_) reload(line);
    }
    for (const ScriptLine& line : lines_) {
      if (line.at == now_) from_outside(line);
    }
    for (RuleGroup& group : running_) {
      if (now_ % group.interval() == Duration{0}) take(group.evaluate(time(), *store_));
    }
    while (manager_->next_due() <= time()) take(manager_->due(time()));
    for (const ScriptLine& line : lines_) check_now(line);
  }

  void from_outside(const ScriptLine& line) {
    if (line.kind == Kind::kPost) {
      Alert alert;
      LabelsBuilder labels(line.series);
      labels.set("alertname", line.series.metric_name()).del(kMetricName);
      alert.labels = labels.labels();
      if (line.what == "resolved") alert.ends_at = time();
      state_.commit(manager_->apply(std::span(&alert, 1), time()));
    } else if (line.kind == Kind::kSilence) {
      const auto matchers = parse_matchers(line.word);
      if (!matchers) return failed(line, matchers.error().message);
      StateChange changes;
      const auto made =
          manager_->set_silence({"", {*matchers}, time(), kStart + line.until, {}, "script", "", {}}, time(), changes);
      if (!made) return failed(line, made.error().message);
      state_.commit(changes);
    }
  }

  void append(const ScriptLine& line) {
    if (line.kind != Kind::kSamples || now_ < line.at || now_ > line.until) return;
    if ((now_ - line.at) % line.every != Duration{0}) return;
    const double steps = static_cast<double>((now_ - line.at) / line.every);
    const AppendResult result = store_->append(store_->ref(line.series).value(), time(),
                                               line.step == 0 ? *line.value : *line.value + steps * line.step);
    if (result != AppendResult::kAppended) failed(line, "the store does not take the sample");
  }

  const ActiveAlert* find(const Labels& wanted) {
    for (const RuleGroup& group : running_) {
      for (const RuleStatus& rule : group.status()) {
        for (const ActiveAlert& alert : rule.alerts) {
          if (is_subset(wanted, named(alert.labels))) return &(found_ = alert);
        }
      }
    }
    return nullptr;
  }

  void check_now(const ScriptLine& line) {
    if (line.at != now_) return;
    if (line.kind == Kind::kState) {
      const ActiveAlert* alert = find(line.series);
      const std::string_view state = alert == nullptr ? "none" : to_string(alert->state);
      if (state != line.what) failed(line, fmt::format("it is {}", state));
    } else if (line.kind == Kind::kSays) {
      const ActiveAlert* alert = find(line.series);
      const std::string text =
          alert == nullptr || !alert->annotations.contains(line.word) ? "" : alert->annotations.at(line.word);
      if (text != line.what) failed(line, fmt::format("it says \"{}\"", text));
    } else if (line.kind == Kind::kValue) {
      check_value(line);
    }
  }

  void check_value(const ScriptLine& line) {
    const auto expr = promql::parse(line.word);
    if (!expr) return failed(line, expr.error().str());
    promql::Query query(*expr);
    const auto result = rule_result(query, *store_, time());
    if (!result) return failed(line, result.error().message);
    const bool good =
        line.value ? result->vector.size() == 1 && result->vector[0].sample.v == *line.value : result->vector.empty();
    if (good) return;
    std::string got;
    for (const auto& element : result->vector)
      got += fmt::format(" {} {}", element.labels.metric_str(), element.sample.v);
    failed(line, got.empty() ? "it is nothing" : "it is" + got);
  }

  void check_told(const ScriptLine& line) {
    if (line.kind == Kind::kExpect) {
      for (Told& told : told_) {
        if (told.expected || told.at != line.at || told.receiver != line.word || told.status != line.what) continue;
        if (!is_subset(line.series, told.alert)) continue;
        told.expected = true;
        return;
      }
      failed(line, "that was not told");
    } else if (line.kind == Kind::kNothingElse) {
      for (const Told& told : told_) {
        if (!told.expected) failed(line, "also told: " + told.str());
      }
    }
  }

  std::vector<ScriptLine> lines_;
  TimelineOutcome outcome_;
  Duration now_{0};
  Duration end_{0};
  std::optional<Duration> away_until_;

  std::vector<RuleGroupConfig> groups_;
  std::shared_ptr<const NotifyConfig> notify_;
  std::shared_ptr<RuleContext> context_ = std::make_shared<RuleContext>();
  std::unique_ptr<SeriesStore> store_;
  std::vector<RuleGroup> running_;
  std::unique_ptr<AlertManager> manager_;
  MemoryState state_;
  std::map<std::pair<std::string, Labels>, AlertStateRow> alert_states_;
  std::vector<Told> told_;
  ActiveAlert found_;
};

}  // namespace

TimelineOutcome run_timeline(std::string_view script) {
  auto lines = parse_script(script, kStart);
  if (!lines) return {{lines.error().message}, ""};
  return Player(std::move(*lines)).play();
}

}  // namespace tocsin::test
