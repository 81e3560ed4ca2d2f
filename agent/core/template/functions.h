#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "agent/core/template/template.h"

/// How C++ functions become functions of a template.
namespace tocsin::tmpl {

/// A mistake of the call itself (its operands do not fit): Go tells it as it is, without "error calling NAME: " before
/// it. Such messages start with this word.
inline constexpr std::string_view kBadCall = "wrong ";

/// The same for one operand (from 0), which Go then names as the place. Only the execution reads it back.
struct BadOperand {
  std::size_t operand = 0;
  std::string wanted;
  std::string got;
};
Error bad_operand(std::size_t operand, std::string_view wanted_type, const Value& got);
std::optional<BadOperand> as_bad_operand(const Error& error);

/// A time.Duration, or a number of nanoseconds.
std::optional<Duration> duration_of(const Value& value);

template <class T>
struct Operand;
template <>
struct Operand<Value> {
  static constexpr std::string_view kType = "interface {}";
  static std::optional<Value> of(const Value& v) { return v; }
};
template <>
struct Operand<std::string> {
  static constexpr std::string_view kType = "string";
  static std::optional<std::string> of(const Value& v) {
    const std::string* s = v.as_string();
    return s == nullptr ? std::nullopt : std::optional<std::string>(*s);
  }
};
template <>
struct Operand<List> {
  static constexpr std::string_view kType = "[]string";
  static std::optional<List> of(const Value& v) {
    const List* l = v.as_list();
    return l == nullptr ? std::nullopt : std::optional<List>(*l);
  }
};
/// What `query` returned, as Prometheus' own functions take it.
struct Samples {
  List items;
};
template <>
struct Operand<Samples> {
  static constexpr std::string_view kType = "template.queryResult";
  static std::optional<Samples> of(const Value& v) {
    const List* l = v.as_list();
    return l == nullptr ? std::nullopt : std::optional<Samples>(Samples{*l});
  }
};
template <>
struct Operand<Value::Time> {
  static constexpr std::string_view kType = "time.Time";
  static std::optional<Value::Time> of(const Value& v) {
    const Value::Time* t = v.as_time();
    return t == nullptr ? std::nullopt : std::optional<Value::Time>(*t);
  }
};
template <>
struct Operand<Duration> {
  static constexpr std::string_view kType = "time.Duration";
  static std::optional<Duration> of(const Value& v) { return duration_of(v); }
};

/// A Function from one with typed operands (Value, std::string, List, Value::Time, Duration); it checks their number
/// and types.
template <class... A>
Function typed_function(std::string name, std::function<Result<Value>(A...)> f) {
  return [name = std::move(name), f = std::move(f)](std::span<const Value> args) -> Result<Value> {
    if (args.size() != sizeof...(A)) {
      return fail("wrong number of args for {}: want {} got {}", name, sizeof...(A), args.size());
    }
    return [&]<std::size_t... I>(std::index_sequence<I...>)->Result<Value> {
      std::tuple<std::optional<A>...> operands{Operand<A>::of(args[I])...};
      std::optional<Error> bad;
      ((bad || std::get<I>(operands) ? void() : void(bad = bad_operand(I, Operand<A>::kType, args[I]))), ...);
      if (bad) return tl::make_unexpected(*bad);
      return f(std::move(*std::get<I>(operands))...);
    }
    (std::index_sequence_for<A...>());
  };
}
template <class F>
Function typed(std::string_view name, F f) {
  return typed_function(std::string(name), std::function(std::move(f)));
}

/// Go's built-ins but `and` and `or`, which the execution treats itself.
const Functions& builtins();

/// What Prometheus' and Alertmanager's sets share: toUpper, toLower, match, reReplaceAll, safeHtml, humanizeDuration.
Functions shared_functions();
/// A number, a duration in seconds, or a text that says a number.
Result<double> number_of(const Value& value);
/// html/template's escaping of text.
std::string escape_html(std::string_view text);
/// encoding/json.Marshal.
Result<Value> to_json(const Value& value);

}  // namespace tocsin::tmpl
