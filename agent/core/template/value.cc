#include <algorithm>

#include "agent/core/template/format.h"
#include "agent/core/template/template.h"

namespace tocsin::tmpl {

Value Value::any_map(Map map) {
  Value value;
  value.v_ = std::make_shared<const AnyMap>(AnyMap{std::move(map)});
  return value;
}

const List* Value::as_list() const {
  if (const Object* o = as_object()) return o->kind == Object::Kind::kList ? &o->items : nullptr;
  return pointed<List>();
}

const Map* Value::as_map() const {
  if (const Object* o = as_object()) return o->kind == Object::Kind::kMap ? &o->fields : nullptr;
  if (const AnyMap* any = pointed<AnyMap>()) return &any->map;
  return pointed<Map>();
}

bool Value::is_string_map() const {
  if (const Object* o = as_object()) return o->kind == Object::Kind::kMap;
  const Map* map = pointed<Map>();
  return map != nullptr &&
         std::all_of(map->begin(), map->end(), [](const auto& entry) { return entry.second.as_string() != nullptr; });
}

bool Value::truth() const {
  if (is_nil()) return false;
  if (const bool* b = as_bool()) return *b;
  if (const auto* i = as_int()) return *i != 0;
  if (const double* d = as_float()) return *d != 0;
  if (const auto* d = as_duration()) return d->count() != 0;
  if (const auto* s = as_string()) return !s->empty();
  if (const auto* l = as_list()) return !l->empty();
  if (const auto* m = as_map()) return !m->empty();
  return true;  // a struct
}

std::string Value::print() const {
  return is_nil() ? "<no value>" : sprint({this, 1});
}

std::string Value::type() const {
  if (is_nil()) return "nil";
  if (as_bool() != nullptr) return "bool";
  if (as_int() != nullptr) return "int";
  if (as_float() != nullptr) return "float64";
  if (as_string() != nullptr) return "string";
  if (as_time() != nullptr) return "time.Time";
  if (as_duration() != nullptr) return "time.Duration";
  if (const Object* o = as_object()) return o->type;
  if (as_map() != nullptr) return is_string_map() ? "map[string]string" : "map[string]interface {}";
  const List* list = as_list();
  const bool strings = !list->empty() &&
                       std::all_of(list->begin(), list->end(), [](const Value& v) { return v.as_string() != nullptr; });
  if (strings) return "[]string";
  const Object* first = list->empty() ? nullptr : list->front().as_object();
  return first != nullptr ? "[]" + first->type : "[]interface {}";
}

}  // namespace tocsin::tmpl
