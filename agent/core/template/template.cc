#include "agent/core/template/template.h"

#include "agent/core/template/exec.h"
#include "agent/core/template/format.h"
#include "agent/core/template/parser.h"

namespace tocsin::tmpl {

struct Template::Impl {
  std::string name;
  std::shared_ptr<const Functions> functions;
  Trees trees;
};

Result<Template> Template::parse(std::string_view name, std::string_view text,
                                 std::shared_ptr<const Functions> functions) {
  Result<Trees> trees = parse_trees(name, text, *functions);
  if (!trees) return tl::make_unexpected(trees.error());
  return Template(std::make_shared<const Impl>(Impl{std::string(name), std::move(functions), std::move(*trees)}));
}

Result<void> Template::add(std::string_view name, std::string_view text) {
  Result<Trees> trees = parse_trees(name, text, *impl_->functions);
  if (!trees) return tl::make_unexpected(trees.error());
  Impl next = *impl_;
  for (auto& [defined, tree] : *trees) {
    auto& place = next.trees[defined];
    if (place == nullptr || !tree->blank()) place = std::move(tree);
  }
  impl_ = std::make_shared<const Impl>(std::move(next));
  return {};
}

bool Template::has(std::string_view defined_name) const {
  return impl_->trees.contains(defined_name);
}

Result<std::string> Template::execute(const Value& data, const Limits& limits) const {
  return execute(impl_->name, data, limits);
}

Result<std::string> Template::execute(std::string_view defined_name, const Value& data, const Limits& limits) const {
  const auto tree = impl_->trees.find(defined_name);
  if (tree == impl_->trees.end())
    return fail("template: no template {} associated with template {}", quote(defined_name), quote(impl_->name));
  return execute_tree(impl_->trees, *tree->second, *impl_->functions, data, limits);
}

}  // namespace tocsin::tmpl
