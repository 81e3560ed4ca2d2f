// What notification templates may call (Alertmanager docs, "Notification template reference").

#include "agent/core/base64.h"
#include "agent/core/go_text.h"
#include "agent/core/labels.h"
#include "agent/core/template/functions.h"
#include "agent/core/template/go_time.h"
#include "agent/core/url.h"

namespace tocsin::tmpl {
namespace {

Result<Value> join(std::string separator, List items) {
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) out += (i == 0 ? "" : separator) + items[i].print();
  return out;
}

// Each word with a capital first and small letters behind it.
Result<Value> title(std::string text) {
  std::string out;
  bool begins = true;
  for (std::string_view rest = text; !rest.empty();) {
    const char32_t rune = take_rune(rest);
    append_rune(out, begins ? to_upper(rune) : to_lower(rune));
    const bool word = (rune >= '0' && rune <= '9') || rune == '_' || rune == '\'' || rune >= 0x80 ||
                      to_lower(rune) != rune || to_upper(rune) != rune;
    begins = !word || is_space(rune);
  }
  return out;
}

Result<Value> trim_space(std::string text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view ahead = rest;
    if (!is_space(take_rune(ahead))) break;
    rest = ahead;
  }
  std::size_t keep = 0;
  for (std::string_view ahead = rest; !ahead.empty();) {
    if (!is_space(take_rune(ahead))) keep = rest.size() - ahead.size();
  }
  return std::string(rest.substr(0, keep));
}

Result<Value> dict(std::span<const Value> args) {
  if (args.size() % 2 != 0) return fail("dict expected even number of arguments but got {}", args.size());
  Map map;
  for (std::size_t i = 0; i < args.size(); i += 2) {
    const std::string* key = args[i].as_string();
    if (key == nullptr) return fail("dict keys must be strings, got {}", args[i].type());
    map[*key] = args[i + 1];
  }
  return Value::any_map(std::move(map));
}

Result<Value> append(std::span<const Value> args) {
  if (args.empty()) return fail("wrong number of args for append: want at least 1 got 0");
  const List* list = args[0].as_list();
  if (list == nullptr && !args[0].is_nil())
    return fail("wrong type for value; expected []interface {{}}; got {}", args[0].type());
  List out = list == nullptr ? List() : *list;
  out.insert(out.end(), args.begin() + 1, args.end());
  return Value(std::move(out));
}

Result<Value> string_slice(std::span<const Value> args) {
  for (const Value& v : args) {
    if (v.as_string() == nullptr) return fail("wrong type for value; expected string; got {}", v.type());
  }
  return Value(List(args.begin(), args.end()));
}

Result<Value> in_zone(std::string name, Value::Time t) {
  return find_zone(name).map([&](const date::time_zone* zone) { return Value(Value::Time{t.at, zone}); });
}

// html/template's filter of URLs: only these schemes, or none, may be linked to. In text nothing is filtered.
Result<Value> same(std::string text) {
  return text;
}

Value pairs(const std::map<std::string, std::string>& labels) {
  Value::Object out;
  out.type = "template.Pairs";
  out.kind = Value::Object::Kind::kList;
  List names, values;
  std::string text;
  const auto put = [&](const std::string& name, const std::string& value) {
    Value::Object pair;
    pair.type = "template.Pair";
    pair.fields = {{"Name", name}, {"Value", value}};
    pair.order = {{"Name", "Name"}, {"Value", "Value"}};
    out.items.emplace_back(std::move(pair));
    names.emplace_back(name);
    values.emplace_back(value);
    text += (text.empty() ? "" : ", ") + name + "=" + value;
  };
  // alertname goes first.
  const auto alertname = labels.find("alertname");
  if (alertname != labels.end()) put(alertname->first, alertname->second);
  for (auto label = labels.begin(); label != labels.end(); ++label) {
    if (label != alertname) put(label->first, label->second);
  }
  const auto give = [](std::string_view name, Value value) {
    return typed(name, [value]() -> Result<Value> { return value; });
  };
  out.methods = {{"Names", give("Names", Value(names))},
                 {"Values", give("Values", Value(values))},
                 {"String", give("String", Value(text))}};
  out.print = [text] { return text; };
  return Value(std::move(out));
}

}  // namespace

Value kv(std::map<std::string, std::string> labels) {
  const auto shared = std::make_shared<const std::map<std::string, std::string>>(std::move(labels));
  Value::Object out;
  out.type = "template.KV";
  out.kind = Value::Object::Kind::kMap;
  for (const auto& [name, value] : *shared) out.fields.emplace(name, value);
  // Made when asked for: most messages never ask.
  const auto pairs_method = [shared](std::string_view name) {
    return typed(name, [shared, method = std::string(name)]() -> Result<Value> {
      const Value sorted = pairs(*shared);
      return method == "SortedPairs" ? sorted : sorted.as_object()->methods.at(method)({});
    });
  };
  for (const char* name : {"SortedPairs", "Names", "Values", "String"}) out.methods.emplace(name, pairs_method(name));
  out.methods.emplace("Remove", typed("Remove", [shared](List names) -> Result<Value> {
                        std::map<std::string, std::string> left = *shared;
                        for (const Value& name : names) left.erase(name.print());
                        return kv(std::move(left));
                      }));
  out.print = [shared] { return pairs(*shared).print(); };
  return Value(std::move(out));
}

Functions alertmanager_functions(std::function<TimePoint()> clock) {
  Functions functions = shared_functions();
  functions.merge(Functions{
      {"title", typed("title", title)},
      {"trimSpace", typed("trimSpace", trim_space)},
      {"join", typed("join", join)},
      {"safeUrl", typed("safeUrl", same)},
      {"urlUnescape", typed("urlUnescape",
                            [](std::string s) {
                              return percent_decode(s, true).map([](std::string t) { return Value(std::move(t)); });
                            })},
      {"stringSlice", string_slice},
      {"date",
       typed("date", [](std::string layout, Value::Time t) -> Result<Value> { return format_time(t, layout); })},
      {"tz", typed("tz", in_zone)},
      {"toDate", typed("toDate",
                       [](std::string layout, std::string text) -> Result<Value> {
                         return parse_time(layout, text).value_or(Value::Time{kZeroTime});
                       })},
      {"mustToDate", typed("mustToDate",
                           [](std::string layout, std::string text) {
                             return parse_time(layout, text).map([](const Value::Time& t) { return Value(t); });
                           })},
      {"toJson", typed("toJson", [](Value v) { return to_json(v); })},
      {"base64encode", typed("base64encode", [](std::string s) -> Result<Value> { return base64_encode(s); })},
      {"base64decode",
       typed("base64decode",
             [](std::string s) { return base64_decode(s).map([](std::string t) { return Value(std::move(t)); }); })},
      {"list", [](std::span<const Value> args) -> Result<Value> { return Value(List(args.begin(), args.end())); }},
      {"append", append},
      {"dict", dict},
  });
  if (clock) {
    functions["now"] = typed("now", [clock]() -> Result<Value> { return clock(); });
    functions["since"] = typed("since", [clock](Value::Time t) -> Result<Value> { return Duration{clock() - t.at}; });
  }
  return functions;
}

}  // namespace tocsin::tmpl
