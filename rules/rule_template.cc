// Labels and annotations are Go templates. Prometheus puts four definitions in front of each text, and error messages
// count columns behind them, so ours are the same characters.

#include "rules/rule_template.h"

#include "rules/rule_group.h"
#include "rules/rule_query.h"

namespace tocsin {
namespace {

using tmpl::Value;
using Arguments = std::span<const Value>;

constexpr std::string_view kDefinitions =
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}";
constexpr std::string_view kDataType =
    "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }";

/// As Go's url.QueryEscape.
std::string query_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string path_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  const std::size_t slash = scheme == std::string_view::npos ? 0 : std::min(url.find('/'), url.size());
  url.remove_prefix(slash);
  return std::string(url.substr(0, url.find_first_of("?#")));
}

std::map<std::string, std::string> to_map(const Labels& labels) {
  std::map<std::string, std::string> out;
  for (const Label label : labels) out.emplace(label.name, label.value);
  return out;
}

Value string_map(const std::map<std::string, std::string>& strings) {
  tmpl::Map map;
  for (const auto& [name, value] : strings) map.emplace(name, Value(value));
  return Value(std::move(map));
}

/// A function of one string, with Go's words for what is wrong with a call.
tmpl::Function of_string(std::string name, std::function<Result<Value>(const std::string&)> body) {
  return [name = std::move(name), body = std::move(body)](Arguments arguments) -> Result<Value> {
    if (arguments.size() != 1) return fail("wrong number of args for {}: want 1 got {}", name, arguments.size());
    const std::string* text = arguments[0].as_string();
    if (text == nullptr) return fail("wrong type for value; expected string; got {}", arguments[0].type());
    return body(*text);
  };
}

Result<Value> query(const TemplateScope& scope, const promql::QueryOptions& options, const std::string& text) {
  auto expr = promql::parse(text);
  if (!expr) return fail("{}", expr.error().str());
  if (scope.store == nullptr) return fail("there is nothing to query");
  promql::Query prepared(std::move(*expr), options);
  const auto result = rule_result(prepared, *scope.store, scope.at);
  if (!result) return tl::make_unexpected(result.error());
  tmpl::List list;
  for (const promql::VectorElement& element : result->vector) {
    list.push_back(tmpl::query_result(to_map(element.labels), element.sample.v));
  }
  return Value(std::move(list));
}

tmpl::Functions rule_functions(const RuleContext& context, const std::shared_ptr<TemplateScope>& scope) {
  tmpl::Functions functions = tmpl::prometheus_functions();
  const promql::QueryOptions options = query_options(context);
  functions["query"] =
      of_string("query", [scope, options](const std::string& text) { return query(*scope, options, text); });
  functions["graphLink"] =
      of_string("graphLink", [](const std::string& expr) { return Value(graph_link("", expr, 0)); });
  functions["tableLink"] =
      of_string("tableLink", [](const std::string& expr) { return Value(graph_link("", expr, 1)); });
  functions["externalURL"] = [url = context.external_url](Arguments) { return Value(url); };
  functions["pathPrefix"] = [path = path_of(context.external_url)](Arguments) { return Value(path); };
  functions["now"] = [scope](Arguments) { return Value(to_seconds(scope->at)); };
  return functions;
}

}  // namespace

RuleTemplates::RuleTemplates(const RuleContext& context)
    : functions_(std::make_shared<const tmpl::Functions>(rule_functions(context, scope_))),
      external_labels_(string_map(context.external_labels)),
      external_url_(context.external_url) {}

Value RuleTemplates::data(const Labels& labels, double value) const {
  Value::Object object;
  object.type = kDataType;
  object.fields.emplace("Labels", string_map(to_map(labels)));
  object.fields.emplace("ExternalLabels", external_labels_);
  object.fields.emplace("ExternalURL", external_url_);
  object.fields.emplace("Value", Value(value));
  return Value(std::move(object));
}

RuleTemplate::RuleTemplate(std::string_view alert, std::string text, const RuleTemplates& templates)
    : name_(fmt::format("__alert_{}", alert)),
      text_(std::move(text)),
      is_template_(text_.find("{{") != std::string::npos),
      is_pure_(!is_template_ || (text_.find("query") == std::string::npos && text_.find("now") == std::string::npos)) {
  if (!is_template_) return;
  auto parsed = tmpl::Template::parse(name_, std::string(kDefinitions) + text_, templates.functions());
  if (parsed) {
    template_ = std::move(*parsed);
  } else {
    error_ = fmt::format("<error expanding template: error parsing template {}: {}>", name_, parsed.error().message);
  }
}

std::string RuleTemplate::expand(const Value& data) const {
  if (!is_template_) return text_;
  if (!template_) return error_;
  Result<std::string> text = template_->execute(data);
  if (text) return std::move(*text);
  return fmt::format("<error expanding template: error executing template {}: {}>", name_, text.error().message);
}

Result<void> check_rule_template(std::string_view alert, std::string_view text) {
  if (text.find("{{") == std::string_view::npos) return {};
  const RuleTemplates templates{RuleContext()};
  auto parsed = tmpl::Template::parse(fmt::format("__alert_{}", alert), std::string(kDefinitions) + std::string(text),
                                      templates.functions());
  if (!parsed) return tl::make_unexpected(parsed.error());
  return {};
}

std::string graph_link(std::string_view external_url, std::string_view expr, int tab) {
  return fmt::format("{}/graph?g0.expr={}&g0.tab={}", external_url, query_escape(expr), tab);
}

}  // namespace tocsin
