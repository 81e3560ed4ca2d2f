#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/core/labels.h"
#include "agent/core/result.h"
#include "agent/core/template/template.h"
#include "agent/store/series_store.h"

namespace tocsin {

struct RuleContext;

/// What the templates of one evaluation may look at. Set before they are expanded; `store` outlives that.
struct TemplateScope {
  const SeriesStore* store = nullptr;
  TimePoint at;
};

/// Prometheus' template functions, those that query and link included, and what is the same for all alerts of a group.
class RuleTemplates {
 public:
  explicit RuleTemplates(const RuleContext& context);

  TemplateScope& scope() { return *scope_; }

  /// The data of one alert's templates: the labels as the expression gave them.
  tmpl::Value data(const Labels& labels, double value) const;
  const std::shared_ptr<const tmpl::Functions>& functions() const { return functions_; }

 private:
  std::shared_ptr<TemplateScope> scope_ = std::make_shared<TemplateScope>();
  std::shared_ptr<const tmpl::Functions> functions_;
  tmpl::Value external_labels_;
  tmpl::Value external_url_;
};

/// The text of one label or annotation, ready to be expanded again and again.
class RuleTemplate {
 public:
  /// A text that does not parse expands to its error.
  RuleTemplate(std::string_view alert, std::string text, const RuleTemplates& templates);

  /// The expanded text; `<error expanding template: …>` when that fails, as Prometheus does.
  std::string expand(const tmpl::Value& data) const;
  /// False for plain text.
  bool is_template() const { return is_template_; }
  /// True when the same labels and value always give the same text.
  bool is_pure() const { return is_pure_; }

 private:
  std::string name_;
  std::string text_;
  bool is_template_;
  bool is_pure_;
  std::optional<tmpl::Template> template_;
  std::string error_;
};

/// Whether a label or annotation of the alerting rule `alert` parses. Error: `template: __alert_NAME:1: …`.
Result<void> check_rule_template(std::string_view alert, std::string_view text);

/// `EXTERNAL/graph?g0.expr=EXPR&g0.tab=1`: the table of an expression in Prometheus' browser, which is where the
/// generator URL of an alert leads. tab=0 is the graph.
std::string graph_link(std::string_view external_url, std::string_view expr, int tab);

}  // namespace tocsin
