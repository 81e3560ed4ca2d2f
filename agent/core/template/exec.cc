// Walks the tree. Each function mirrors one rule of Go's text/template: what a pipeline gives, how a chain of fields is
// followed, what a missing key is (the option missingkey=zero, as Prometheus and Alertmanager set it). The first error
// unwinds everything; `node_` is where Go would say that it happened.

#include "agent/core/template/exec.h"

#include <algorithm>
#include <optional>

#include "agent/core/template/format.h"
#include "agent/core/template/functions.h"
#include "agent/core/template/go_time.h"
#include "agent/core/template/parser.h"

namespace tocsin::tmpl {

namespace {

using Final = const Value*;  // what the pipe hands to the command as its last operand, or nullptr
enum class Flow { kOn, kBreak, kContinue, kFailed };

class Execution {
 public:
  Execution(const Trees& trees, const Functions& functions, const Limits& limits)
      : trees_(trees), functions_(functions), limits_(limits) {}

  Result<std::string> run(const Tree& tree, const Value& data) {
    if (call(tree, data) == Flow::kFailed) return tl::make_unexpected(Error{error_});
    return std::move(out_);
  }

 private:
  // Remembers where an error would be told to have happened.
  template <class Node>
  void at(const Node& node) {
    position_ = node.at;
    if constexpr (std::is_same_v<Node, Expr>) {
      describe_ = [](const void* n) { return static_cast<const Expr*>(n)->text; };
    } else if constexpr (std::is_same_v<Node, Statement>) {
      describe_ = [](const void* n) {
        const auto* s = static_cast<const Statement*>(n);
        const std::string pipe = s->pipe.text();
        return s->kind == Statement::Kind::kTemplate
                   ? "{{template " + quote(s->text) + (pipe.empty() ? "" : " " + pipe) + "}}"
                   : "{{" + pipe + "}}";
      };
    } else {
      describe_ = [](const void* n) { return static_cast<const Node*>(n)->text(); };
    }
    node_ = &node;
  }

  template <class... Args>
  std::nullopt_t fail_here(fmt::format_string<Args...> format, Args&&... args) {
    return fail_text(fmt::format(format, std::forward<Args>(args)...));
  }
  std::nullopt_t fail_text(const std::string& message) {
    if (!error_.empty()) return std::nullopt;
    const std::string& text = tree_->source->text;
    const std::size_t at = std::min(position_, text.size());
    const auto begin = text.begin(), end = begin + static_cast<std::ptrdiff_t>(at);
    const auto line = 1 + std::count(begin, end, '\n');
    const std::size_t newline = at == 0 ? std::string::npos : text.rfind('\n', at - 1);
    const std::size_t column = newline == std::string::npos ? at : at - newline - 1;
    const std::string place = node_ == nullptr ? "" : fmt::format(" at <{}>", describe_(node_));
    error_ = fmt::format("template: {}:{}:{}: executing {}{}: {}", tree_->source->name, line, column,
                         quote(tree_->name), place, message);
    return std::nullopt;
  }
  // A limit: no place in the text is to blame.
  bool within(bool good, std::string_view what, std::size_t limit) {
    if (!good && error_.empty()) error_ = fmt::format("template: {}: {} ({})", tree_->name, what, limit);
    return good;
  }
  bool step() { return within(++steps_ <= limits_.steps_max, "the execution takes too many steps", limits_.steps_max); }
  bool write(std::string_view text) {
    const bool fits = out_.size() + text.size() <= limits_.output_bytes_max;
    if (fits) out_ += text;
    return within(fits, "the output is too long", limits_.output_bytes_max);
  }

  Flow call(const Tree& tree, const Value& data) {
    const Tree* outer = std::exchange(tree_, &tree);
    const std::size_t base = std::exchange(base_, variables_.size());
    variables_.emplace_back("$", data);
    const Flow flow = list(tree.body, data);
    if (flow == Flow::kFailed) return flow;
    variables_.resize(base_);
    base_ = base;
    tree_ = outer;
    return Flow::kOn;
  }

  Flow list(const std::vector<Statement>& body, const Value& dot) {
    for (const Statement& s : body) {
      if (const Flow flow = statement(s, dot); flow != Flow::kOn) return flow;
    }
    return Flow::kOn;
  }

  Flow statement(const Statement& s, const Value& dot) {
    if (!step()) return Flow::kFailed;
    at(s);
    switch (s.kind) {
      case Statement::Kind::kText:
        return write(s.text) ? Flow::kOn : Flow::kFailed;
      case Statement::Kind::kAction: {
        const std::optional<Value> value = pipeline(s.pipe, dot);
        if (!value) return Flow::kFailed;
        return !s.pipe.variables.empty() || write(value->print()) ? Flow::kOn : Flow::kFailed;
      }
      case Statement::Kind::kIf:
      case Statement::Kind::kWith:
        return branch(s, dot);
      case Statement::Kind::kRange:
        return range(s, dot);
      case Statement::Kind::kTemplate:
        return template_call(s, dot);
      case Statement::Kind::kBreak:
        return Flow::kBreak;
      case Statement::Kind::kContinue:
        return Flow::kContinue;
    }
    return Flow::kOn;
  }

  Flow branch(const Statement& s, const Value& dot) {
    const std::size_t mark = variables_.size();
    const std::optional<Value> value = pipeline(s.pipe, dot);
    if (!value) return Flow::kFailed;
    const Flow flow =
        value->truth() ? list(s.body, s.kind == Statement::Kind::kWith ? *value : dot) : list(s.otherwise, dot);
    if (flow != Flow::kFailed) variables_.resize(mark);
    return flow;
  }

  Flow range(const Statement& s, const Value& dot) {
    const std::size_t outer_mark = variables_.size();
    const std::optional<Value> over = pipeline(s.pipe, dot);
    if (!over) return Flow::kFailed;
    const std::size_t mark = variables_.size();
    // One turn; false ends the loop, and `flow` says why.
    Flow flow = Flow::kOn;
    bool any = false;
    const auto turn = [&](const Value& index, const Value& element) {
      if (!step()) return false;
      any = true;
      const std::vector<std::string>& names = s.pipe.variables;
      if (!names.empty()) {
        if (s.pipe.assigns) {
          assign(names[0], names.size() > 1 ? index : element);
          if (names.size() > 1) assign(names[1], element);
        } else {
          variables_[mark - names.size()].second = names.size() > 1 ? index : element;
          variables_[mark - 1].second = element;
        }
      }
      flow = list(s.body, element);
      if (flow == Flow::kFailed) return false;
      variables_.resize(mark);
      const bool on = flow != Flow::kBreak;
      flow = Flow::kOn;
      return on;
    };
    if (!each(s, *over, turn)) return Flow::kFailed;
    if (flow == Flow::kOn && !any) flow = list(s.otherwise, dot);
    if (flow != Flow::kFailed) variables_.resize(outer_mark);
    return flow;
  }

  template <class Turn>
  bool each(const Statement& s, const Value& over, const Turn& turn) {
    if (const List* items = over.as_list()) {
      for (std::size_t i = 0; i < items->size(); ++i) {
        if (!turn(Value(static_cast<std::int64_t>(i)), (*items)[i])) break;
      }
    } else if (const Map* map = over.as_map()) {
      for (const auto& [key, item] : *map) {
        if (!turn(Value(key), item)) break;
      }
    } else if (const std::int64_t* n = over.as_int()) {
      for (std::int64_t i = 0; i < *n; ++i) {
        if (!turn(Value(i), Value(i))) break;
      }
    } else if (!over.is_nil()) {
      at(s.pipe);
      fail_here("range can't iterate over {}", over.print());
      return false;
    }
    return error_.empty();
  }

  Flow template_call(const Statement& s, const Value& dot) {
    const auto found = trees_.find(s.text);
    if (found == trees_.end()) {
      fail_here("template {} not defined", quote(s.text));
      return Flow::kFailed;
    }
    if (depth_ >= limits_.depth_max) {
      fail_here("exceeded maximum template depth ({})", limits_.depth_max);
      return Flow::kFailed;
    }
    std::optional<Value> data = Value();
    if (!s.pipe.commands.empty()) data = pipeline(s.pipe, dot);
    if (!data) return Flow::kFailed;
    ++depth_;
    const Flow flow = call(*found->second, *data);
    --depth_;
    return flow;
  }

  Value* variable(std::string_view name) {
    for (std::size_t i = variables_.size(); i > base_; --i) {
      if (variables_[i - 1].first == name) return &variables_[i - 1].second;
    }
    return nullptr;
  }
  void assign(std::string_view name, const Value& value) {
    if (Value* v = variable(name)) *v = value;
  }

  std::optional<Value> pipeline(const Pipe& p, const Value& dot) {
    at(p);
    std::optional<Value> value;
    for (const Command& c : p.commands) {
      value = command(c, dot, value ? &*value : nullptr);
      if (!value) return std::nullopt;
    }
    for (const std::string& name : p.variables) {
      if (p.assigns) {
        assign(name, *value);
      } else {
        variables_.emplace_back(name, *value);
      }
    }
    return value;
  }

  std::optional<Value> command(const Command& c, const Value& dot, Final final) {
    if (!step()) return std::nullopt;
    const Expr& first = c.words.front();
    switch (first.kind) {
      case Expr::Kind::kField:
      case Expr::Kind::kChain:
      case Expr::Kind::kIdentifier:
      case Expr::Kind::kVariable:
        return invoke(first, &c, dot, final);
      default:
        break;
    }
    at(first);
    if (c.words.size() > 1 || final != nullptr) return fail_here("can't give argument to non-function {}", first.text);
    if (first.kind == Expr::Kind::kNil) return fail_here("nil is not a command");
    return operand(first, dot);
  }

  // A value that stands as an operand, or alone in a command.
  std::optional<Value> operand(const Expr& e, const Value& dot) {
    switch (e.kind) {
      case Expr::Kind::kDot:
        return dot;
      case Expr::Kind::kNil:
        return Value();
      case Expr::Kind::kBool:
      case Expr::Kind::kNumber:
      case Expr::Kind::kString:
        return e.constant;
      case Expr::Kind::kPipe:
        return pipeline(*e.pipe, dot);
      default:
        return invoke(e, nullptr, dot, nullptr);
    }
  }

  // Fields, chains, variables and functions; `c`, when given, is the command that they begin, with further operands.
  std::optional<Value> invoke(const Expr& e, const Command* c, const Value& dot, Final final) {
    at(e);
    if (e.kind == Expr::Kind::kIdentifier) return function(e, c, dot, final);
    if (e.kind == Expr::Kind::kField) return chain(e, e.names, c, dot, dot, final);
    if (e.kind == Expr::Kind::kChain) {
      const std::optional<Value> base = pipeline(*e.pipe, dot);
      if (!base) return std::nullopt;
      return chain(e, e.names, c, dot, *base, final);
    }
    const Value* v = variable(e.names.front());
    if (v == nullptr) return fail_here("undefined variable: {}", e.names.front());
    const Value value = *v;
    if (e.names.size() == 1) {
      if ((c != nullptr && c->words.size() > 1) || final != nullptr) {
        return fail_here("can't give argument to non-function {}", e.text);
      }
      return value;
    }
    return chain(e, std::span(e.names).subspan(1), c, dot, value, final);
  }

  std::optional<std::vector<Value>> operands(const Command* c, const Value& dot, Final final) {
    std::vector<Value> args;
    for (std::size_t i = 1; c != nullptr && i < c->words.size(); ++i) {
      at(c->words[i]);
      std::optional<Value> value = operand(c->words[i], dot);
      if (!value) return std::nullopt;
      args.push_back(std::move(*value));
    }
    if (final != nullptr) args.push_back(*final);
    return args;
  }

  std::optional<Value> chain(const Expr& e, std::span<const std::string> names, const Command* c, const Value& dot,
                             Value receiver, Final final) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      const bool last = i + 1 == names.size();
      std::optional<Value> next = field(e, names[i], last ? c : nullptr, dot, receiver, last ? final : nullptr, i > 0);
      if (!next) return std::nullopt;
      receiver = std::move(*next);
    }
    return receiver;
  }

  std::optional<Value> field(const Expr& e, const std::string& name, const Command* c, const Value& dot,
                             const Value& receiver, Final final, bool inner) {
    // In Go the zero of a map's element type is a nil interface, whose fields are an error; a nil that came through a
    // variable, a function or dot has no type and gives nil again.
    if (receiver.is_nil())
      return inner ? fail_here("nil pointer evaluating interface {{}}.{}", name) : std::optional<Value>(Value());
    const bool given = (c != nullptr && c->words.size() > 1) || final != nullptr;
    const Value::Object* object = receiver.as_object();
    const Value::Method* method = nullptr;
    if (object != nullptr) {
      if (const auto at_method = object->methods.find(name); at_method != object->methods.end())
        method = &at_method->second;
    }
    if (method != nullptr || receiver.as_time() != nullptr || receiver.as_duration() != nullptr) {
      const auto args = operands(c, dot, final);
      if (!args) return std::nullopt;
      if (method != nullptr) return called(name, (*method)(*args), c, e);
      if (auto result = call_time_method(receiver, name, *args)) return called(name, std::move(*result), c, e);
      return fail_here("can't evaluate field {} in type {}", name, receiver.type());
    }
    if (const Map* map = receiver.as_map()) {
      if (given) return fail_here("{} is not a method but has arguments", name);
      const auto found = map->find(name);
      if (found != map->end()) return found->second;
      return receiver.is_string_map() ? Value("") : Value();
    }
    if (object != nullptr) {
      if (const auto found = object->fields.find(name); found != object->fields.end()) {
        if (given) return fail_here("{} has arguments but cannot be invoked as function", name);
        return found->second;
      }
    }
    return fail_here("can't evaluate field {} in type {}", name, receiver.type());
  }

  std::optional<Value> called(const std::string& name, Result<Value> result, const Command* c, const Expr& e) {
    if (result) return std::move(*result);
    if (const auto bad = as_bad_operand(result.error())) return fail_operand(*bad, c);
    const bool bad_call = result.error().message.starts_with(kBadCall);
    if (c != nullptr && !bad_call) {
      at(*c);
    } else {
      at(e);
    }
    if (bad_call) return fail_text(result.error().message);
    return fail_here("error calling {}: {}", name, result.error().message);
  }

  // The mistake stands at the operand, or, when that came through the pipe, where the evaluation was last.
  std::nullopt_t fail_operand(const BadOperand& bad, const Command* c) {
    const Expr* word = c != nullptr && bad.operand + 1 < c->words.size() ? &c->words[bad.operand + 1] : nullptr;
    if (word != nullptr) at(*word);
    if (word == nullptr || word->constant.is_nil()) {
      return fail_here("wrong type for value; expected {}; got {}", bad.wanted, bad.got);
    }
    if (bad.wanted == "string") return fail_here("expected string; found {}", word->text);
    return fail_here("can't handle {} for arg of type {}", word->text, bad.wanted);
  }

  std::optional<Value> function(const Expr& e, const Command* c, const Value& dot, Final final) {
    const std::string& name = e.text;
    if (name == "and" || name == "or") return short_circuit(e, c, dot, final);
    const auto own = functions_.find(name);
    const bool is_own = own != functions_.end();
    const auto built_in = is_own ? own : builtins().find(name);
    if (!is_own && built_in == builtins().end()) return fail_here("{} is not a defined function", quote(name));
    const auto args = operands(c, dot, final);
    if (!args) return std::nullopt;
    return called(name, built_in->second(*args), c, e);
  }

  // The first operand that decides, later ones not evaluated.
  std::optional<Value> short_circuit(const Expr& e, const Command* c, const Value& dot, Final final) {
    const std::size_t words = c == nullptr ? 0 : c->words.size() - 1;
    if (words + (final != nullptr ? 1 : 0) == 0)
      return fail_here("wrong number of args for {}: want at least 1 got 0", e.text);
    std::optional<Value> value;
    for (std::size_t i = 0; i < words; ++i) {
      at(c->words[i + 1]);
      value = operand(c->words[i + 1], dot);
      if (!value || value->truth() == (e.text == "or")) return value;
    }
    return final != nullptr ? *final : value;
  }

  const Trees& trees_;
  const Functions& functions_;
  const Limits& limits_;
  const Tree* tree_ = nullptr;
  std::size_t position_ = 0;
  const void* node_ = nullptr;
  std::string (*describe_)(const void*) = nullptr;
  std::vector<std::pair<std::string, Value>> variables_;
  std::size_t base_ = 0;  // where the variables of the template that runs begin
  std::size_t steps_ = 0;
  std::size_t depth_ = 0;
  std::string out_;
  std::string error_;
};

}  // namespace

Result<std::string> execute_tree(const Trees& trees, const Tree& tree, const Functions& functions, const Value& data,
                                 const Limits& limits) {
  return Execution(trees, functions, limits).run(tree, data);
}

}  // namespace tocsin::tmpl
