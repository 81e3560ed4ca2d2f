// systemd's units, asked over D-Bus. Off unless switched on, as in node_exporter: a machine has hundreds of units, and
// each service costs a question or two. The bus may be stuck, so a thread of its own asks, and is not started again
// before it has ended.

#include <systemd/sd-bus.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>

#include "probes/host/apart.h"
#include "probes/host/collector.h"
#include "probes/host/text.h"

namespace tocsin::host {
namespace {

namespace asio = boost::asio;

constexpr Family kVersion{"node_systemd_version", "gauge", "systemd's version."};
constexpr Family kRunning{"node_systemd_system_running", "gauge", "1 when the system is up and no unit has failed."};
constexpr Family kUnits{"node_systemd_units", "gauge", "Units in each state."};
constexpr Family kUnitState{"node_systemd_unit_state", "gauge", "1 for the state the unit is in, 0 for the others."};
constexpr Family kRestarts{"node_systemd_service_restart_total", "counter",
                           "How often systemd restarted the service by itself."};
constexpr std::string_view kStates[] = {"active", "activating", "deactivating", "inactive", "failed"};

constexpr const char* kService = "org.freedesktop.systemd1";
constexpr const char* kManagerPath = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr std::uint64_t kCallTimeoutMicroseconds = 2'000'000;

struct Unit {
  std::string name;
  std::string state;
  std::string path;
  std::string type;
  std::optional<std::uint32_t> restarts;
};

struct Answer {
  std::string version;
  std::string state;
  std::vector<Unit> units;
  std::string error;
};

struct BusCloser {
  void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
};
using Bus = std::unique_ptr<sd_bus, BusCloser>;

std::string text_property(sd_bus* bus, const std::string& path, const char* interface, const char* name) {
  char* text = nullptr;
  if (sd_bus_get_property_string(bus, kService, path.c_str(), interface, name, nullptr, &text) < 0) return {};
  const std::unique_ptr<char, decltype(&std::free)> owner(text, std::free);
  return text;
}

Result<void> list_units(sd_bus* bus, std::vector<Unit>& units) {
  sd_bus_message* raw = nullptr;
  sd_bus_error error = SD_BUS_ERROR_NULL;
  const int called = sd_bus_call_method(bus, kService, kManagerPath, kManager, "ListUnits", &error, &raw, "");
  const std::unique_ptr<sd_bus_message, decltype(&sd_bus_message_unref)> reply(raw, sd_bus_message_unref);
  const std::string why = error.message != nullptr ? error.message : std::strerror(-std::min(called, 0));
  sd_bus_error_free(&error);
  if (called < 0) return fail("systemd does not list its units: {}", why);
  if (sd_bus_message_enter_container(raw, 'a', "(ssssssouso)") < 0)
    return fail("systemd's answer cannot be understood");
  const char* name = nullptr;
  const char* load = nullptr;
  const char* active = nullptr;
  const char* path = nullptr;
  const char* skip = nullptr;
  std::uint32_t job = 0;
  while (sd_bus_message_read(raw, "(ssssssouso)", &name, &skip, &load, &active, &skip, &skip, &path, &job, &skip,
                             &skip) > 0) {
    if (std::string_view(load) == "loaded") units.push_back({name, active, path, "", {}});
  }
  return {};
}

void describe(sd_bus* bus, Unit& unit, bool restarts) {
  if (unit.name.ends_with(".service")) {
    constexpr const char* kInterface = "org.freedesktop.systemd1.Service";
    unit.type = text_property(bus, unit.path, kInterface, "Type");
    std::uint32_t count = 0;
    if (restarts && sd_bus_get_property_trivial(bus, kService, unit.path.c_str(), kInterface, "NRestarts", nullptr, 'u',
                                                &count) >= 0) {
      unit.restarts = count;
    }
  } else if (unit.name.ends_with(".mount")) {
    unit.type = text_property(bus, unit.path, "org.freedesktop.systemd1.Mount", "Type");
  }
}

Answer ask(const Config& config) {
  Answer answer;
  sd_bus* raw = nullptr;
  if (const int opened = sd_bus_open_system(&raw); opened < 0) {
    answer.error = fmt::format("the system bus cannot be reached: {}", std::strerror(-opened));
    return answer;
  }
  const Bus bus(raw);
  sd_bus_set_method_call_timeout(raw, kCallTimeoutMicroseconds);
  answer.version = text_property(raw, kManagerPath, kManager, "Version");
  answer.state = text_property(raw, kManagerPath, kManager, "SystemState");
  if (const auto listed = list_units(raw, answer.units); !listed) {
    answer.error = listed.error().message;
    return answer;
  }
  for (Unit& unit : answer.units) {
    if (wanted(config.systemd_unit_include, config.systemd_unit_exclude, unit.name)) {
      describe(raw, unit, config.systemd_restarts);
    }
  }
  return answer;
}

void add_answer(const Answer& answer, const Config& config, Samples& out) {
  const std::string_view digits =
      std::string_view(answer.version).substr(0, answer.version.find_first_not_of("0123456789."));
  if (const auto number = to_number(digits)) out.add(kVersion, {{"version", answer.version}}, *number);
  out.add(kRunning, answer.state == "running" ? 1 : 0);
  for (const std::string_view state : kStates) {
    const auto in_state = [&](const Unit& unit) { return unit.state == state; };
    out.add(kUnits, {{"state", state}},
            static_cast<double>(std::count_if(answer.units.begin(), answer.units.end(), in_state)));
  }
  for (const Unit& unit : answer.units) {
    if (!wanted(config.systemd_unit_include, config.systemd_unit_exclude, unit.name)) continue;
    for (const std::string_view state : kStates) {
      out.add(kUnitState, {{"name", unit.name}, {"state", state}, {"type", unit.type}}, unit.state == state ? 1 : 0);
    }
    if (unit.restarts) out.add(kRestarts, {{"name", unit.name}}, *unit.restarts);
  }
}

/// Shared with the thread that asks, and gone when both sides are done with it.
struct Question {
  std::mutex mutex;
  Answer answer;
};

class Systemd {
 public:
  explicit Systemd(const Config& config) : config_(std::make_shared<const Config>(config)) {}

  asio::awaitable<Result<void>> collect(Samples& out, Deadline deadline) {
    if (!last_.expired()) co_return fail("systemd has not answered the last question yet");
    auto question = std::make_shared<Question>();
    last_ = question;
    std::function<void()> work = [question, config = config_] {
      Answer answer = ask(*config);
      const std::lock_guard lock(question->mutex);
      question->answer = std::move(answer);
    };
    auto waiting = run_apart(std::move(work), deadline);
    if (!co_await std::move(waiting)) co_return fail("systemd does not answer");
    const std::lock_guard lock(question->mutex);
    if (!question->answer.error.empty()) co_return tl::make_unexpected(Error{question->answer.error});
    add_answer(question->answer, *config_, out);
    co_return Result<void>();
  }

 private:
  std::shared_ptr<const Config> config_;
  std::weak_ptr<Question> last_;
};

}  // namespace

const Collector kSystemd{
    .name = "systemd", .on_by_default = false, .make_awaited = [](const Config& config, Clock&) -> AwaitedCollect {
      auto systemd = std::make_shared<Systemd>(config);
      return [systemd](Samples& out, Deadline deadline) { return systemd->collect(out, deadline); };
    }};

}  // namespace tocsin::host
