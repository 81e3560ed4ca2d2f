// Go's built-in functions, with Go's rules on which types may be compared and its words for mistakes.

#include <algorithm>
#include <cmath>

#include "agent/core/go_text.h"
#include "agent/core/template/format.h"
#include "agent/core/template/functions.h"
#include "agent/core/template/go_time.h"
#include "agent/core/url.h"

namespace tocsin::tmpl {
namespace {

using Args = std::span<const Value>;

enum class Kind { kNil, kBool, kInt, kFloat, kString, kOther };

Kind kind_of(const Value& v) {
  if (v.is_nil()) return Kind::kNil;
  if (v.as_bool() != nullptr) return Kind::kBool;
  if (v.as_int() != nullptr || v.as_duration() != nullptr) return Kind::kInt;
  if (v.as_float() != nullptr) return Kind::kFloat;
  return v.as_string() != nullptr ? Kind::kString : Kind::kOther;
}

std::int64_t int_of(const Value& v) {
  return v.as_int() != nullptr ? *v.as_int() : go_nanoseconds(*v.as_duration());
}

constexpr const char* kNoComparison = "missing argument for comparison";
constexpr const char* kBadComparison = "incompatible types for comparison";
constexpr const char* kBadComparisonType = "invalid type for comparison";

Result<bool> equal(const Value& a, const Value& b) {
  const Kind kind = kind_of(a);
  if (kind == Kind::kNil || b.is_nil()) return kind == kind_of(b);
  if (kind != kind_of(b)) return fail("{}", kBadComparison);
  switch (kind) {
    case Kind::kBool:
      return *a.as_bool() == *b.as_bool();
    case Kind::kInt:
      return int_of(a) == int_of(b);
    case Kind::kFloat:
      return *a.as_float() == *b.as_float();
    case Kind::kString:
      return *a.as_string() == *b.as_string();
    default:
      break;
  }
  if (a.as_time() != nullptr && b.as_time() != nullptr) return a.as_time()->at == b.as_time()->at;
  return fail("non-comparable type {}: {}", a.print(), a.type());
}

Result<bool> less(const Value& a, const Value& b) {
  const Kind kind = kind_of(a), other = kind_of(b);
  const auto basic = [](Kind k) { return k != Kind::kNil && k != Kind::kOther; };
  if (!basic(kind) || !basic(other)) return fail("{}", kBadComparisonType);
  if (kind != other) return fail("{}", kBadComparison);
  switch (kind) {
    case Kind::kInt:
      return int_of(a) < int_of(b);
    case Kind::kFloat:
      return *a.as_float() < *b.as_float();
    case Kind::kString:
      return *a.as_string() < *b.as_string();
    default:
      return fail("{}", kBadComparisonType);
  }
}

Result<Value> eq(Args args) {
  if (args.empty()) return fail("wrong number of args for eq: want at least 1 got 0");
  if (args.size() == 1) return fail("{}", kNoComparison);
  for (const Value& other : args.subspan(1)) {
    const Result<bool> same = equal(args[0], other);
    if (!same) return tl::make_unexpected(same.error());
    if (*same) return Value(true);
  }
  return Value(false);
}

// A comparison of two, made from what `f` says.
template <class F>
Function comparison(std::string_view name, F f) {
  return typed(name, [f](Value a, Value b) -> Result<Value> {
    const Result<bool> result = f(a, b);
    if (!result) return tl::make_unexpected(result.error());
    return Value(*result);
  });
}

Result<Value> len(const Value& v) {
  const auto size = [](std::size_t n) { return Value(static_cast<std::int64_t>(n)); };
  if (v.is_nil()) return fail("len of nil pointer");
  if (const auto* s = v.as_string()) return size(s->size());
  if (const auto* l = v.as_list()) return size(l->size());
  if (const auto* m = v.as_map()) return size(m->size());
  return fail("len of type {}", v.type());
}

// An index into something of `size` entries; `end` allows one past the last.
Result<std::size_t> position(const Value& index, std::size_t size, bool end) {
  if (index.is_nil()) return fail("cannot index slice/array with nil");
  const std::int64_t* i = index.as_int();
  if (i == nullptr) return fail("cannot index slice/array with type {}", index.type());
  if (*i < 0 || static_cast<std::size_t>(*i) >= size + (end ? 1 : 0)) return fail("index out of range: {}", *i);
  return static_cast<std::size_t>(*i);
}

Result<Value> index(Args args) {
  if (args.empty()) return fail("wrong number of args for index: want at least 1 got 0");
  if (args[0].is_nil()) return fail("index of untyped nil");
  Value item = args[0];
  for (const Value& key : args.subspan(1)) {
    if (const Map* map = item.as_map()) {
      const std::string* name = key.as_string();
      if (name == nullptr) return fail("value has type {}; should be string", key.type());
      const auto found = map->find(*name);
      const Value missing = item.is_string_map() ? Value("") : Value();
      item = found == map->end() ? missing : Value(found->second);
    } else if (const List* list = item.as_list()) {
      const Result<std::size_t> i = position(key, list->size(), false);
      if (!i) return tl::make_unexpected(i.error());
      item = Value((*list)[*i]);
    } else if (const std::string* text = item.as_string()) {
      const Result<std::size_t> i = position(key, text->size(), false);
      if (!i) return tl::make_unexpected(i.error());
      item = Value(std::int64_t{static_cast<unsigned char>((*text)[*i])});
    } else if (item.is_nil()) {
      return fail("index of nil pointer");
    } else {
      return fail("can't index item of type {}", item.type());
    }
  }
  return item;
}

Result<Value> slice(Args args) {
  if (args.empty()) return fail("wrong number of args for slice: want at least 1 got 0");
  const Value& item = args[0];
  if (item.is_nil()) return fail("slice of untyped nil");
  if (args.size() > 4) return fail("too many slice indexes: {}", args.size() - 1);
  const List* list = item.as_list();
  const std::string* text = item.as_string();
  if (list == nullptr && text == nullptr) return fail("can't slice item of type {}", item.type());
  if (text != nullptr && args.size() == 4) return fail("cannot 3-index slice a string");
  const std::size_t size = list != nullptr ? list->size() : text->size();
  std::size_t bounds[] = {0, size, size};
  for (std::size_t i = 1; i < args.size(); ++i) {
    const Result<std::size_t> at = position(args[i], size, true);
    if (!at) return tl::make_unexpected(at.error());
    bounds[i - 1] = *at;
  }
  for (std::size_t i = 0; i < 2; ++i) {
    if (bounds[i] > bounds[i + 1]) return fail("invalid slice index: {} > {}", bounds[i], bounds[i + 1]);
  }
  if (text != nullptr) return Value(text->substr(bounds[0], bounds[1] - bounds[0]));
  return Value(List(list->begin() + static_cast<std::ptrdiff_t>(bounds[0]),
                    list->begin() + static_cast<std::ptrdiff_t>(bounds[1])));
}

// The operands of html, js and urlquery as one text.
std::string as_text(Args args) {
  if (args.size() == 1 && args[0].as_string() != nullptr) return *args[0].as_string();
  std::vector<Value> shown(args.begin(), args.end());
  for (Value& v : shown) {
    if (v.is_nil()) v = "<no value>";
  }
  return sprint(shown);
}

Result<Value> html(Args args) {
  return Value(escape_html(as_text(args)));
}

Result<Value> js(Args args) {
  std::string out;
  const std::string text = as_text(args);
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view before = rest;
    const char32_t rune = take_rune(rest);
    switch (rune) {
      case '\\':
        out += "\\\\";
        break;
      case '\'':
        out += "\\'";
        break;
      case '"':
        out += "\\\"";
        break;
      case '<':
      case '>':
      case '&':
      case '=':
        out += fmt::format("\\u{:04X}", static_cast<std::uint32_t>(rune));
        break;
      default:
        if (rune < 0x20 || rune == 0x2028 || rune == 0x2029) {
          out += fmt::format("\\u{:04X}", static_cast<std::uint32_t>(rune));
        } else {
          out += before.substr(0, before.size() - rest.size());
        }
    }
  }
  return Value(out);
}

Result<Value> call(Args args) {
  if (args.empty()) return fail("wrong number of args for call: want at least 1 got 0");
  if (args[0].is_nil()) return fail("call of nil");
  return fail("non-function {} of type {}", args[0].print(), args[0].type());
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\0':
        out += "\xef\xbf\xbd";
        break;
      default:
        out += c;
    }
  }
  return out;
}

const Functions& builtins() {
  static const Functions kFunctions = {
      {"not", typed("not", [](Value v) -> Result<Value> { return !v.truth(); })},
      {"eq", eq},
      {"ne",
       comparison("ne", [](const Value& a, const Value& b) { return equal(a, b).map([](bool x) { return !x; }); })},
      {"lt", comparison("lt", less)},
      {"le", comparison("le",
                        [](const Value& a, const Value& b) -> Result<bool> {
                          const Result<bool> below = less(a, b);
                          return !below || *below ? below : equal(a, b);
                        })},
      {"gt", comparison("gt",
                        [](const Value& a, const Value& b) -> Result<bool> {
                          const Result<bool> below = less(a, b);
                          if (!below || *below) return below.map([](bool x) { return !x; });
                          return equal(a, b).map([](bool x) { return !x; });
                        })},
      {"ge",
       comparison("ge", [](const Value& a, const Value& b) { return less(a, b).map([](bool x) { return !x; }); })},
      {"len", typed("len", [](Value v) { return len(v); })},
      {"index", index},
      {"slice", slice},
      {"print", [](Args args) -> Result<Value> { return sprint(args); }},
      {"println", [](Args args) -> Result<Value> { return sprintln(args); }},
      {"printf",
       [](Args args) -> Result<Value> {
         if (args.empty()) return fail("wrong number of args for printf: want at least 1 got 0");
         const std::string* format = args[0].as_string();
         if (format == nullptr) return fail("wrong type for value; expected string; got {}", args[0].type());
         return sprintf(*format, args.subspan(1));
       }},
      {"html", html},
      {"js", js},
      {"urlquery", [](Args args) -> Result<Value> { return query_escape(as_text(args)); }},
      {"call", call},
  };
  return kFunctions;
}

}  // namespace tocsin::tmpl
