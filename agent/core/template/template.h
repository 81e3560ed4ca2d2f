#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/core/result.h"
#include "agent/core/time.h"

namespace date {
class time_zone;
}

/// Go's text/template as Prometheus and Alertmanager use it: actions, pipelines, variables, if/else if/else,
/// range/else/break/continue, with/else, define, template, block, comments, trim markers, and Go's built-in functions.
namespace tocsin::tmpl {

class Value;
using List = std::vector<Value>;
/// Keys in order, as Go's range visits them.
using Map = std::map<std::string, Value, std::less<>>;

/// What a template can hold and print: Go's nil, bool, int, float64, string, time.Time, time.Duration, slices, maps
/// with string keys, and objects: maps whose missing keys are an error, with methods. Cheap to copy.
class Value {
 public:
  using Method = std::function<Result<Value>(std::span<const Value>)>;
  struct Object {
    std::string type;  // for messages: "*template.Data"
    Map fields;
    std::map<std::string, Method, std::less<>> methods;
    /// What printing the object gives. Without it: {a b}, [a b] or map[k:v].
    std::function<std::string()> print;
    /// What it is besides: a struct (a missing field is an error), a slice of `items` with methods (Alertmanager's
    /// Alerts), or a map of strings with methods (its KV; a missing key is "").
    enum class Kind { kStruct, kList, kMap } kind = Kind::kStruct;
    List items;
    /// For toJson and for printing: a struct's fields as Go declares them, each with its name in JSON. Empty: `fields`
    /// by name.
    std::vector<std::pair<std::string, std::string>> order;
  };
  /// An instant and the zone it is told in (none: UTC).
  struct Time {
    TimePoint at;
    const date::time_zone* zone = nullptr;
  };

  Value() = default;
  Value(bool b) : v_(b) {}
  Value(int i) : v_(static_cast<std::int64_t>(i)) {}
  Value(std::int64_t i) : v_(i) {}
  Value(double d) : v_(d) {}
  Value(const char* s) : v_(std::make_shared<const std::string>(s)) {}
  Value(std::string s) : v_(std::make_shared<const std::string>(std::move(s))) {}
  Value(std::string_view s) : Value(std::string(s)) {}
  Value(TimePoint t) : v_(Time{t}) {}
  Value(Time t) : v_(t) {}
  Value(Duration d) : v_(d) {}
  Value(List list) : v_(std::make_shared<const List>(std::move(list))) {}
  /// A map whose values are all strings (or that is empty) is Go's map[string]string: a missing key is "". Any other
  /// one is map[string]any: a missing key is nil.
  Value(Map map) : v_(std::make_shared<const Map>(std::move(map))) {}
  Value(Object object) : v_(std::make_shared<const Object>(std::move(object))) {}
  /// A map[string]any whatever it holds.
  static Value any_map(Map map);

  bool is_nil() const { return std::holds_alternative<std::monostate>(v_); }
  const bool* as_bool() const { return std::get_if<bool>(&v_); }
  const std::int64_t* as_int() const { return std::get_if<std::int64_t>(&v_); }
  const double* as_float() const { return std::get_if<double>(&v_); }
  const Time* as_time() const { return std::get_if<Time>(&v_); }
  const Duration* as_duration() const { return std::get_if<Duration>(&v_); }
  const std::string* as_string() const { return pointed<std::string>(); }
  /// Also of an object that is a slice.
  const List* as_list() const;
  /// Also of an object that is a map.
  const Map* as_map() const;
  const Object* as_object() const { return pointed<Object>(); }
  /// True for a map whose missing keys are "".
  bool is_string_map() const;

  /// Go's truth: not the zero value, not empty.
  bool truth() const;
  /// As Go's fmt.Print prints it: floats in %v, maps as map[k:v], lists as [a b], nil as <no value>.
  std::string print() const;
  /// Go's name of the type, for messages.
  std::string type() const;

 private:
  struct AnyMap {
    Map map;
  };
  template <class T>
  const T* pointed() const {
    const auto* p = std::get_if<std::shared_ptr<const T>>(&v_);
    return p == nullptr ? nullptr : p->get();
  }
  std::variant<std::monostate, bool, std::int64_t, double, Time, Duration, std::shared_ptr<const std::string>,
               std::shared_ptr<const List>, std::shared_ptr<const Map>, std::shared_ptr<const AnyMap>,
               std::shared_ptr<const Object>>
      v_;
};

/// A function a template may call; its error ends the execution with `error calling NAME: …`.
using Function = std::function<Result<Value>(std::span<const Value>)>;
using Functions = std::map<std::string, Function, std::less<>>;

/// What one execution may cost.
struct Limits {
  std::size_t output_bytes_max = 1U << 20;
  std::size_t steps_max = 1'000'000;  // nodes executed
  std::size_t depth_max = 100;        // nested {{template}} calls
};

/// Parsed templates that can call each other by name. Immutable once parsed; safe to share between threads when its
/// functions are.
class Template {
 public:
  /// `functions` must hold every function the text calls, and stays in use. Errors: `template: NAME:LINE: message`, as
  /// Go says it.
  static Result<Template> parse(std::string_view name, std::string_view text,
                                std::shared_ptr<const Functions> functions);
  /// Adds the {{define}}s of another text (a .tmpl file), replacing those of the same name.
  Result<void> add(std::string_view name, std::string_view text);

  /// Errors: `template: NAME:LINE:COLUMN: executing "NAME" at <TEXT>: message`, as Go says it; a limit.
  Result<std::string> execute(const Value& data, const Limits& limits = {}) const;
  Result<std::string> execute(std::string_view defined_name, const Value& data, const Limits& limits = {}) const;
  bool has(std::string_view defined_name) const;

 private:
  struct Impl;
  explicit Template(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

/// Go's zero time.Time, which Alertmanager shows as the end of an alert that fires.
inline constexpr TimePoint kZeroTime{std::chrono::sys_days{std::chrono::year{1} / 1 / 1}};

/// Alertmanager's KV: a map of strings with the methods SortedPairs, Remove, Names and Values, which prints as `a=b,
/// c=d`.
Value kv(std::map<std::string, std::string> pairs);

/// and or not eq ne lt le gt ge len index slice print printf println html js urlquery call are always there. These are
/// the functions that Prometheus' and Alertmanager's sets share or that need nothing but their arguments.
///
/// Left to the rules: query, now, externalURL, pathPrefix, graphLink, tableLink. What `query` returns are lists of
/// query_result()s.
Functions prometheus_functions();
/// `clock` serves `now` and `since`, which are not there without it.
Functions alertmanager_functions(std::function<TimePoint()> clock = nullptr);
/// One sample as Prometheus' templates see it: {Labels, Value}.
Value query_result(std::map<std::string, std::string> labels, double value);

}  // namespace tocsin::tmpl
