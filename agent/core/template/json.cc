// encoding/json.Marshal: compact, with <, > and & escaped, as Go does so that JSON can stand in a page.

#include <cmath>

#include "agent/core/go_text.h"
#include "agent/core/template/format.h"
#include "agent/core/template/functions.h"
#include "agent/core/template/go_time.h"

namespace tocsin::tmpl {
namespace {

void put_string(std::string_view text, std::string& out) {
  out += '"';
  while (!text.empty()) {
    const std::string_view before = text;
    std::size_t bytes = 0;
    const char32_t rune = take_rune(text, &bytes);
    switch (rune) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '<':
      case '>':
      case '&':
      case 0x2028:
      case 0x2029:
        out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(rune));
        break;
      case U'\ufffd':
        out += bytes == 1 ? "\\ufffd" : "\xef\xbf\xbd";
        break;
      default:
        if (rune < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(rune));
        } else {
          out += before.substr(0, bytes);
        }
    }
  }
  out += '"';
}

std::string number(double d) {
  const double magnitude = std::fabs(d);
  if (magnitude == 0 || (magnitude >= 1e-6 && magnitude < 1e21)) return format_float(d, 'f', -1);
  std::string text = format_float(d, 'e', -1);
  // e-09 becomes e-9.
  if (const std::size_t e = text.find("e-0"); e != std::string::npos) text.erase(e + 2, 1);
  return text;
}

bool put(const Value& v, std::string& out);

bool put_map(const Map& map, std::string& out) {
  out += '{';
  bool good = true, first = true;
  for (const auto& [key, item] : map) {
    if (!std::exchange(first, false)) out += ',';
    put_string(key, out);
    out += ':';
    good = good && put(item, out);
  }
  out += '}';
  return good;
}

bool put_struct(const Value::Object& object, std::string& out) {
  if (object.order.empty()) return put_map(object.fields, out);
  out += '{';
  bool good = true, first = true;
  for (const auto& [name, json] : object.order) {
    const auto at = object.fields.find(name);
    if (at == object.fields.end()) continue;
    if (!std::exchange(first, false)) out += ',';
    put_string(json, out);
    out += ':';
    good = good && put(at->second, out);
  }
  out += '}';
  return good;
}

bool put(const Value& v, std::string& out) {
  if (v.is_nil()) {
    out += "null";
  } else if (const double* d = v.as_float()) {
    if (std::isnan(*d) || std::isinf(*d)) return false;
    out += number(*d);
  } else if (const std::string* s = v.as_string()) {
    put_string(*s, out);
  } else if (const auto* t = v.as_time()) {
    put_string(format_time(*t, "2006-01-02T15:04:05.999999999Z07:00"), out);
  } else if (const auto* duration = v.as_duration()) {
    out += fmt::format("{}", go_nanoseconds(*duration));
  } else if (const List* list = v.as_list()) {
    out += '[';
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (i > 0) out += ',';
      if (!put((*list)[i], out)) return false;
    }
    out += ']';
  } else if (const Map* map = v.as_map()) {
    return put_map(*map, out);
  } else if (const auto* object = v.as_object()) {
    return put_struct(*object, out);
  } else {
    out += v.print();  // a boolean or a whole number
  }
  return true;
}

}  // namespace

Result<Value> to_json(const Value& value) {
  std::string out;
  if (!put(value, out)) return fail("json: unsupported value: NaN or Inf");
  return Value(out);
}

}  // namespace tocsin::tmpl
