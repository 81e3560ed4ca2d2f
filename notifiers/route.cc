// Alertmanager's routing tree. What a person wrote (RouteConfig) is read first, with all its mistakes; then the tree is
// resolved once: whatever a node does not say it takes from its parent, so that nothing is looked up while alerts are
// routed.

#include "notifiers/route.h"

#include <algorithm>
#include <set>

#include "notifiers/notifier.h"

namespace tocsin {
namespace {

constexpr Duration kGroupWait = std::chrono::seconds(30);
constexpr Duration kGroupInterval = std::chrono::minutes(5);
constexpr Duration kRepeatInterval = std::chrono::hours(4);
constexpr std::string_view kAllLabels = "...";
constexpr std::size_t kDepthMax = 64;

// As Alertmanager prints a matcher: names are quoted only when they hold what its parser would stumble over.
std::string matcher_text(const Matcher& m) {
  if (m.name().find_first_of(" \t\n\r\v\f{}!=~,\\\"'`") != std::string::npos) {
    return quoted(m.name()) + std::string(to_string(m.op())) + quoted(m.value());
  }
  std::string value;
  for (const char c : m.value()) {
    if (c == '\\' || c == '"') value += '\\';
    value += c == '\n' ? "\\n" : std::string(1, c);
  }
  return fmt::format("{}{}\"{}\"", m.name(), to_string(m.op()), value);
}

std::string key_part(const Matchers& matchers) {
  std::string out = "{";
  for (const Matcher& m : matchers) out += (out.size() > 1 ? "," : "") + matcher_text(m);
  return out + "}";
}

bool matcher_before(const Matcher& a, const Matcher& b) {
  return std::tie(a.name(), a.value()) != std::tie(b.name(), b.value())
             ? std::tie(a.name(), a.value()) < std::tie(b.name(), b.value())
             : a.op() < b.op();
}

std::optional<std::string> group_by_mistake(const std::vector<std::string>& names) {
  std::set<std::string_view> seen;
  for (const std::string& name : names) {
    if (name == kAllLabels && names.size() > 1) return "\"...\" means all labels and must stand alone.";
    if (name.empty() || !is_valid_utf8(name)) return fmt::format("{} is not a valid label name.", quoted(name));
    if (!seen.insert(name).second) return fmt::format("\"{}\" stands here twice.", name);
  }
  return std::nullopt;
}

class TreeBuilder {
 public:
  TreeBuilder(const NotifyConfig& config, Diagnostics& diagnostics)
      : receivers_(config.receivers), intervals_(config.time_intervals), diagnostics_(diagnostics) {}

  Route root(const RouteConfig& config) {
    if (config.receiver.empty()) mistake(config, "The root route needs a \"receiver\".");
    if (!config.matchers.empty()) mistake(config, "The root route takes every alert and must not have \"matchers\".");
    if (config.continue_) mistake(config, "The root route has no siblings: \"continue\" must not be set.");
    if (!config.mute_time_intervals.empty() || !config.active_time_intervals.empty()) {
      mistake(config, "The root route must not have time intervals: give them to a route below it.");
    }
    Route top;
    top.receiver = config.receiver;
    top.group_wait = kGroupWait;
    top.group_interval = kGroupInterval;
    top.repeat_interval = kRepeatInterval;
    return node(config, std::move(top), 1);
  }

 private:
  void mistake(const RouteConfig& config, std::string message) { diagnostics_.add(config.at, std::move(message)); }

  // `inherited` comes with the parent's values and key, and without children.
  Route node(const RouteConfig& config, Route inherited, std::size_t depth) {
    Route route = std::move(inherited);
    if (!config.receiver.empty()) route.receiver = config.receiver;
    if (config.group_by) {
      route.group_by_all = config.group_by->size() == 1 && config.group_by->front() == kAllLabels;
      route.group_by = route.group_by_all ? std::vector<std::string>{} : *config.group_by;
    }
    route.group_wait = config.group_wait.value_or(route.group_wait);
    route.group_interval = config.group_interval.value_or(route.group_interval);
    route.repeat_interval = config.repeat_interval.value_or(route.repeat_interval);
    route.continue_ = config.continue_;
    route.mute_time_intervals = config.mute_time_intervals;
    route.active_time_intervals = config.active_time_intervals;
    for (const auto* names : {&config.mute_time_intervals, &config.active_time_intervals}) {
      for (const std::string& name : *names) {
        if (!intervals_.contains(name)) unknown(config, "time interval", name, intervals_);
      }
    }
    route.matchers = config.matchers;
    std::sort(route.matchers.begin(), route.matchers.end(), matcher_before);
    route.key += (route.key.empty() ? "" : "/") + key_part(route.matchers);
    route.id = unique(route.key + "@" + route.receiver);
    if (!config.receiver.empty() && !receivers_.contains(config.receiver)) {
      unknown(config, "receiver", config.receiver, receivers_);
    }

    Route parent = route;
    if (depth == kDepthMax && !config.routes.empty()) {
      mistake(config, fmt::format("Routes are nested more than {} deep here.", kDepthMax));
      return route;
    }
    for (const RouteConfig& child : config.routes) route.routes.push_back(node(child, parent, depth + 1));
    return route;
  }

  std::string unique(std::string id) {
    const int n = ++ids_[id];
    return n == 1 ? id : fmt::format("{}#{}", id, n);
  }

  void unknown(const RouteConfig& config, std::string_view kind, const std::string& name, const auto& known) {
    std::vector<std::string> names;
    for (const auto& [other, unused] : known) names.push_back(other);
    const std::string_view near = config_detail::nearest(name, names);
    mistake(config, near.empty() ? fmt::format("There is no {} \"{}\".", kind, name)
                                 : fmt::format("There is no {} \"{}\"; did you mean \"{}\"?", kind, name, near));
  }

  const std::map<std::string, ReceiverConfig>& receivers_;
  const std::map<std::string, NamedTimeInterval>& intervals_;
  Diagnostics& diagnostics_;
  std::map<std::string, int> ids_;
};

// A [[receiver]] table: its name, and under the name of each type of channel one table or several.
struct ReceiverTable {
  ReceiverConfig receiver;

  void fields(Fields& f) {
    if (f.node() != nullptr) receiver.at = f.node()->at;
    f("name", receiver.name, "What routes call it.")
        .required()
        .check([](const std::string& name) { return !name.empty(); }, "must not be empty");
    for (const NotifierType& type : notifier_types()) {
      std::vector<ConfigNode> tables;
      f(type.name, tables, type.summary);
      for (std::size_t i = 0; f.reading() && i < tables.size(); ++i) add_channel(type, i, tables[i], *f.diagnostics());
    }
  }

  void add_channel(const NotifierType& type, std::size_t place, const ConfigNode& table, Diagnostics& diagnostics) {
    ChannelConfig channel;
    channel.id = fmt::format("{}/{}/{}", receiver.name, type.name, place);
    channel.type = &type;
    channel.send_resolved = type.send_resolved;
    Fields f(table, diagnostics);
    f("send_resolved", channel.send_resolved, "Also tell when alerts are resolved.");
    channel.make = type.read(f);
    f.reject_unknown_keys();
    receiver.channels.push_back(std::move(channel));
  }
};

ReceiverConfig log_receiver() {
  static const ConfigNode kEmpty{ConfigNode::Map{}, {}};
  Diagnostics none;
  ReceiverTable table;
  table.receiver.name = "default";
  table.add_channel(*find_notifier_type("log"), 0, kEmpty, none);
  return table.receiver;
}

void check_intervals(Fields& f, RouteConfig& route) {
  const auto positive = [](const std::optional<Duration>& d) { return !d || *d > Duration::zero(); };
  f("group_wait", route.group_wait, "How long a new group waits for more alerts before it is told of (30s).");
  f("group_interval", route.group_interval, "How long a group waits before it is told of changes (5m).")
      .check(positive, "must be longer than 0");
  f("repeat_interval", route.repeat_interval,
    "How long until a group without changes is told of again, checked every group_interval (4h).")
      .check(positive, "must be longer than 0");
}

void collect(const Route& route, const Labels& labels, std::vector<const Route*>& out) {
  const std::size_t before = out.size();
  for (const Route& child : route.routes) {
    if (!matches(child.matchers, labels)) continue;
    collect(child, labels, out);
    if (!child.continue_) break;
  }
  if (out.size() == before) out.push_back(&route);
}

}  // namespace

void RouteConfig::fields(Fields& f) {
  if (const ConfigNode* table = f.node()) {
    const ConfigNode* named = table->find("receiver");
    at = named != nullptr ? named->at : table->at;
  }
  f("receiver", receiver, "Who hears of it; the parent's when not given.");
  f("group_by", group_by, "Labels whose values make a group; [\"...\"]: every label set is its own group.");
  if (const auto wrong = group_by ? group_by_mistake(*group_by) : std::nullopt) f.mistake_at("group_by", *wrong);
  f("continue", continue_, "Also try the routes behind this one after it matched.");
  f("matchers", matchers, "Which alerts come here: all of these must match.");
  check_intervals(f, *this);
  f("mute_time_intervals", mute_time_intervals, "Time intervals in which this route tells nobody.");
  f("active_time_intervals", active_time_intervals, "When given, this route tells nobody outside of these.");
  // Plain tables here, since the type is recursive and its documentation must not be, and since a child with a mistake
  // still has others to tell of.
  std::vector<ConfigNode> children;
  for (const RouteConfig& child : routes) children.push_back(Codec<RouteConfig>::write(child));
  f("routes", children, "Routes below this one, with the same keys. The first that matches takes the alert.");
  if (!f.reading()) return;
  routes.clear();
  for (const ConfigNode& child : children) read_config(child, routes.emplace_back(), *f.diagnostics());
}

std::vector<const Route*> Route::match(const Labels& labels) const {
  std::vector<const Route*> out;
  if (matches(matchers, labels)) collect(*this, labels, out);
  return out;
}

Labels Route::group_labels(const Labels& labels) const {
  if (group_by_all) return labels;
  LabelsBuilder builder;
  for (const std::string& name : group_by) builder.set(name, labels.get(name));
  return builder.labels();
}

void AlertLimits::fields(Fields& f) {
  f("alerts_max", alerts_max, "Alerts that are known at a time; more are refused.").range(1U, 10'000'000U);
  f("groups_max", groups_max, "Groups of alerts at a time; alerts that would need more are refused.")
      .range(1U, 10'000'000U);
  f("silences_max", silences.silences_max, "Silences, expired ones too.").range(1U, 10'000'000U);
  f("silence_bytes_max", silences.silence_bytes_max, "How large one silence may be.").range(64U, 16U << 20);
  f("silence_retention", silences.retention, "How long an expired silence is kept.")
      .check([](Duration d) { return d > Duration::zero(); }, "must be longer than 0");
}

std::vector<std::string> NotifyConfig::muting(const Route& route, TimePoint now) const {
  std::vector<std::string> out;
  for (const std::string& name : route.mute_time_intervals) {
    if (time_intervals.at(name).contains(now)) out.push_back(name);
  }
  if (!out.empty()) return out;
  const auto holds = [&](const std::string& name) { return time_intervals.at(name).contains(now); };
  const auto& active = route.active_time_intervals;
  return std::any_of(active.begin(), active.end(), holds) ? out : active;
}

std::shared_ptr<const NotifyConfig> read_notify_config(Fields& fields) {
  auto config = std::make_shared<NotifyConfig>();
  std::optional<RouteConfig> route;
  std::vector<ConfigNode> receivers;
  fields("external_url", config->external_url, "Where people reach this agent; messages link to it.");
  fields("resolve_timeout", config->resolve_timeout,
         "When an alert that came without an end counts as resolved unless it is heard of again.")
      .check([](Duration d) { return d > Duration::zero(); }, "must be longer than 0");
  std::vector<NamedTimeInterval> intervals;
  fields("alert_limits", config->limits, "How much the alert manager takes in.");
  fields("inhibit_rule", config->inhibit_rules, "Alerts that are not told of while others are firing.");
  fields("time_interval", intervals, "Times of the week or the year, by name; routes refer to them.");
  fields("route", route, "The root of the routing tree: who hears about what.");
  constexpr std::string_view kReceiverDoc =
      "Who hears about it: a name, and under each kind of channel one table or several.";
  if (!fields.reading()) {
    std::vector<ReceiverTable> documented;
    fields("receiver", documented, kReceiverDoc);
    return config;
  }
  fields("receiver", receivers, kReceiverDoc);

  Diagnostics& diagnostics = *fields.diagnostics();
  for (NamedTimeInterval& interval : intervals) {
    const Position at = interval.at;
    std::string name = interval.name;
    if (!config->time_intervals.emplace(name, std::move(interval)).second) {
      diagnostics.add(at, fmt::format("There is already a time interval \"{}\".", name));
    }
  }
  for (const ConfigNode& node : receivers) {
    // One with mistakes counts as there, lest the routes to it are called wrong too.
    ReceiverTable table;
    read_config(node, table, diagnostics);
    const std::string name = table.receiver.name;
    if (!config->receivers.emplace(name, std::move(table.receiver)).second) {
      diagnostics.add(node.at, fmt::format("There is already a receiver \"{}\".", name));
    }
  }
  if (!route) {
    if (!receivers.empty()) {
      diagnostics.add(fields.node()->at, "There are receivers but no [route]: no alert would reach them.");
    }
    config->receivers.insert_or_assign("default", log_receiver());
    route.emplace().receiver = "default";
  }
  config->root = TreeBuilder(*config, diagnostics).root(*route);
  return config;
}

}  // namespace tocsin
