// A recursive descent over the tokens, with Go's grammar and Go's words for mistakes. The first mistake ends the
// parsing: every function returns early once error_ is set.

#include "agent/core/template/parser.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "agent/core/go_text.h"
#include "agent/core/template/format.h"
#include "agent/core/template/functions.h"
#include "agent/core/template/lexer.h"

namespace tocsin::tmpl {

namespace {

using TokenKind = Token::Kind;
using Body = std::vector<Statement>;

constexpr std::size_t kNestingMax = 200;  // parentheses and blocks; guards the stack

std::string described(const Token& token) {
  if (token.kind == TokenKind::kEnd) return "EOF";
  if (token.kind == TokenKind::kError) return token.text;
  if (token.kind == TokenKind::kKeyword) return "<" + token.text + ">";
  if (token.text.size() > 10) return quote(token.text.substr(0, 10)) + "...";
  return quote(token.text);
}

class Parser {
 public:
  Parser(std::string_view name, std::string_view text, const Functions& functions)
      : source_(std::make_shared<const Source>(Source{std::string(name), std::string(text)})),
        functions_(functions),
        tokens_(lex(text)) {}

  Result<Trees> parse() {
    Body body;
    while (good() && peek().kind != TokenKind::kEnd) {
      if (peek().kind == TokenKind::kLeft && keyword_after_left() == "define") {
        take_left();
        next_solid();
        define();
      } else if (const std::string_view end = statement(body); !end.empty()) {
        error("unexpected {{" + std::string(end) + "}}");
      }
    }
    if (good()) add(source_->name, std::move(body));
    if (!good()) return tl::make_unexpected(Error{*error_});
    return std::move(trees_);
  }

 private:
  bool good() const { return !error_; }
  // Go tells the line where the parser stands.
  void error(const std::string& message) {
    if (error_) return;
    const std::size_t at =
        std::min(last_ < tokens_.size() ? tokens_[last_].at : source_->text.size(), source_->text.size());
    std::ptrdiff_t line =
        1 + std::count(source_->text.begin(), source_->text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    error_ = fmt::format("template: {}:{}: {}", source_->name, line, message);
  }
  void unexpected(const Token& token, std::string_view context) {
    if (token.kind == TokenKind::kError) return error(token.text);
    error(fmt::format("unexpected {} in {}", described(token), context));
  }

  const Token& peek() const { return tokens_[std::min(next_, tokens_.size() - 1)]; }
  const Token& next() {
    last_ = std::min(next_, tokens_.size() - 1);
    if (next_ < tokens_.size()) ++next_;
    return tokens_[last_];
  }
  void skip_spaces() {
    while (peek().kind == TokenKind::kSpace) next();
  }
  const Token& next_solid() {
    skip_spaces();
    return next();
  }
  const Token& peek_solid() {
    skip_spaces();
    return peek();
  }
  bool expect(TokenKind kind, std::string_view context) {
    const Token& token = next_solid();
    if (token.kind != kind) unexpected(token, context);
    return good();
  }
  void take_left() { next(); }
  std::string_view keyword_after_left() const {
    std::size_t i = next_ + 1;
    while (i < tokens_.size() && tokens_[i].kind == TokenKind::kSpace) ++i;
    return i < tokens_.size() && tokens_[i].kind == TokenKind::kKeyword ? std::string_view(tokens_[i].text) : "";
  }

  void add(const std::string& name, Body body) {
    auto tree = std::make_shared<Tree>(Tree{name, source_, std::move(body)});
    const auto at = trees_.find(name);
    if (at == trees_.end() || at->second->blank()) {
      trees_[name] = std::move(tree);
    } else if (!tree->blank()) {
      error(fmt::format("template: multiple definition of template {}", quote(name)));
    }
  }

  // The name of a define, block or template.
  std::string template_name(const char* context) {
    const Token& token = next_solid();
    std::optional<std::string> name;
    if (token.kind == TokenKind::kString) name = unquoted(token.text);
    if (!name) unexpected(token, context);
    return name.value_or("");
  }

  void define() {
    const std::string name = template_name("define clause");
    if (good()) expect(TokenKind::kRight, "define clause");
    Body body;
    const std::vector<std::string> outer = std::exchange(variables_, {"$"});
    const int loops = std::exchange(loops_, 0);
    const std::string_view end = list(body);
    variables_ = outer;
    loops_ = loops;
    if (good() && end != "end") error("unexpected {{" + std::string(end) + "}} in define clause");
    if (good()) add(name, std::move(body));
  }

  // Statements up to {{end}} or {{else}}, whose word it returns; the tokens behind that word are left.
  std::string_view list(Body& body) {
    if (++nesting_ > kNestingMax) error("blocks and parentheses are nested too deeply");
    std::string_view end;
    while (good() && end.empty()) {
      if (peek().kind == TokenKind::kEnd) {
        next();
        error("unexpected EOF");
      } else {
        end = statement(body);
      }
    }
    --nesting_;
    return end;
  }

  // Text or one action. {{end}} and {{else are not added but returned; {{end}} is taken whole.
  std::string_view statement(Body& body) {
    const Token& token = next();
    if (token.kind == TokenKind::kText) {
      body.push_back({Statement::Kind::kText, token.at, token.text, {}, {}, {}});
      return {};
    }
    if (token.kind != TokenKind::kLeft) {
      unexpected(token, "input");
      return {};
    }
    const Token& word = peek_solid();
    if (word.kind == TokenKind::kKeyword && word.text != "nil") {
      next();
      return control(word, body);
    }
    Statement action{Statement::Kind::kAction, word.at, "", {}, {}, {}};
    action.pipe = pipe("command", TokenKind::kRight);
    if (good()) body.push_back(std::move(action));
    return {};
  }

  std::string_view control(const Token& word, Body& body) {
    if (word.text == "end") {
      expect(TokenKind::kRight, "end");
      return "end";
    }
    if (word.text == "else") return "else";
    Statement s{Statement::Kind::kIf, word.at, "", {}, {}, {}};
    if (word.text == "if") {
      branches(s, "if");
    } else if (word.text == "with") {
      s.kind = Statement::Kind::kWith;
      branches(s, "with");
    } else if (word.text == "range") {
      s.kind = Statement::Kind::kRange;
      branches(s, "range");
    } else if (word.text == "break" || word.text == "continue") {
      s.kind = word.text == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue;
      if (const Token& after = next_solid(); after.kind != TokenKind::kRight) {
        unexpected(after, "{{" + word.text + "}}");
      } else if (loops_ == 0) {
        error("{{" + word.text + "}} outside {{range}}");
      }
    } else if (word.text == "template" || word.text == "block") {
      template_call(s, word.text == "block");
    } else {
      unexpected(word, "command");
    }
    if (good()) body.push_back(std::move(s));
    return {};
  }

  void template_call(Statement& s, bool block) {
    s.kind = Statement::Kind::kTemplate;
    const char* context = block ? "block clause" : "template clause";
    s.at = peek_solid().at;
    s.text = template_name(context);
    if (!good()) return;
    if (block || peek_solid().kind != TokenKind::kRight) {
      s.pipe = pipe(context, TokenKind::kRight);
    } else {
      next();
    }
    if (!block || !good()) return;
    Body body;
    const std::vector<std::string> outer = std::exchange(variables_, {"$"});
    const int loops = std::exchange(loops_, 0);
    const std::string_view end = list(body);
    variables_ = outer;
    loops_ = loops;
    if (good() && end != "end") error("unexpected {{" + std::string(end) + "}} in block clause");
    if (good()) add(s.text, std::move(body));
  }

  // The pipeline, the body, and what follows {{else}} of if, with and range.
  void branches(Statement& s, const std::string& word) {
    const std::size_t mark = variables_.size();
    s.pipe = pipe(word, TokenKind::kRight);
    const bool loop = s.kind == Statement::Kind::kRange;
    if (loop) ++loops_;
    std::string_view end = good() ? list(s.body) : "";
    if (loop) --loops_;
    if (good() && end == "else") {
      const Token& after = peek_solid();
      if (after.kind == TokenKind::kKeyword && ((!loop && after.text == word))) {
        // {{else if}}: an if of its own inside the else, closed by the same {{end}}.
        next();
        Statement inner{s.kind, after.at, "", {}, {}, {}};
        if (++nesting_ > kNestingMax) error("blocks and parentheses are nested too deeply");
        branches(inner, word);
        --nesting_;
        s.otherwise.push_back(std::move(inner));
      } else if (expect(TokenKind::kRight, "else")) {
        end = list(s.otherwise);
        if (good() && end != "end") error("expected end; found {{else}}");
      }
    }
    variables_.resize(std::min(mark, variables_.size()));
  }

  Pipe pipe(std::string_view context, TokenKind end) {
    Pipe p;
    p.at = peek_solid().at;
    declarations(p, context);
    while (good()) {
      const Token& token = next_solid();
      if (token.kind == end) {
        check(p, context);
        break;
      }
      switch (token.kind) {
        case TokenKind::kBool:
        case TokenKind::kChar:
        case TokenKind::kDot:
        case TokenKind::kField:
        case TokenKind::kIdentifier:
        case TokenKind::kNumber:
        case TokenKind::kString:
        case TokenKind::kVariable:
        case TokenKind::kOpen:
        case TokenKind::kKeyword:
          if (token.kind != TokenKind::kKeyword || token.text == "nil") {
            --next_;
            command(p);
            break;
          }
          [[fallthrough]];
        default:
          unexpected(token, context);
      }
    }
    return p;
  }

  // $x :=, $x =, and for range $i, $e :=
  void declarations(Pipe& p, std::string_view context) {
    std::vector<std::string> names;
    const std::size_t start = next_;
    std::size_t i = next_;
    const auto solid = [&]() -> const Token& {
      while (tokens_[i].kind == TokenKind::kSpace) ++i;
      return tokens_[i];
    };
    while (solid().kind == TokenKind::kVariable) {
      names.push_back(tokens_[i++].text);
      const Token& after = solid();
      if (after.kind == TokenKind::kDeclare || after.kind == TokenKind::kAssign) {
        next_ = i;
        next();
        p.assigns = after.kind == TokenKind::kAssign;
        p.variables = std::move(names);
        if (p.variables.size() > (context == "range" ? 2 : 1))
          return error("too many declarations in " + std::string(context));
        for (const std::string& v : p.variables) {
          if (!p.assigns) {
            variables_.push_back(v);
          } else if (!known(v)) {
            error(fmt::format("undefined variable {}", quote(v)));
          }
        }
        return;
      }
      if (after.kind != TokenKind::kComma) break;
      ++i;
      if (context != "range" || solid().kind != TokenKind::kVariable) break;
    }
    next_ = start;
  }

  bool known(const std::string& variable) const {
    return std::find(variables_.begin(), variables_.end(), variable) != variables_.end();
  }

  void check(const Pipe& p, std::string_view context) {
    if (p.commands.empty()) return error("missing value for " + std::string(context));
    for (std::size_t i = 1; i < p.commands.size(); ++i) {
      switch (p.commands[i].words.front().kind) {
        case Expr::Kind::kBool:
        case Expr::Kind::kDot:
        case Expr::Kind::kNil:
        case Expr::Kind::kNumber:
        case Expr::Kind::kString:
          return error(fmt::format("non executable command in pipeline stage {}", i + 1));
        default:
          break;
      }
    }
  }

  // Operands separated by spaces, up to | or the end of the pipe.
  void command(Pipe& p) {
    Command c;
    c.at = peek_solid().at;
    while (good()) {
      skip_spaces();
      std::optional<Expr> word = operand();
      if (!good()) return;
      if (word) c.words.push_back(std::move(*word));
      const Token& token = next();
      if (token.kind == TokenKind::kSpace) continue;
      if (token.kind == TokenKind::kRight || token.kind == TokenKind::kClose) {
        --next_;
      } else if (token.kind != TokenKind::kPipe) {
        return unexpected(token, "operand");
      }
      break;
    }
    if (c.words.empty()) return error("empty command");
    if (good()) p.commands.push_back(std::move(c));
    if (tokens_[last_].kind == TokenKind::kPipe) {
      const Token& after = peek_solid();
      if (after.kind == TokenKind::kRight || after.kind == TokenKind::kClose) error("missing value for command");
    }
  }

  // A term and the fields behind it. Nothing when no operand stands here.
  std::optional<Expr> operand() {
    std::optional<Expr> e = term();
    if (!e || !good() || peek().kind != TokenKind::kField) return e;
    const std::size_t at = peek().at;
    std::vector<std::string> names;
    std::string text = e->text;
    while (peek().kind == TokenKind::kField) {
      text += peek().text;
      names.push_back(next().text.substr(1));
    }
    switch (e->kind) {
      case Expr::Kind::kField:
      case Expr::Kind::kVariable:
        e->names.insert(e->names.end(), names.begin(), names.end());
        break;
      case Expr::Kind::kPipe:
        e->kind = Expr::Kind::kChain;
        e->names = std::move(names);
        break;
      case Expr::Kind::kIdentifier: {
        // A function called without operands, and a field of its result.
        Expr chain;
        chain.kind = Expr::Kind::kChain;
        chain.names = std::move(names);
        chain.pipe = std::make_unique<Pipe>();
        chain.pipe->at = e->at;
        Command call;
        call.at = e->at;
        call.words.push_back(std::move(*e));
        chain.pipe->commands.push_back(std::move(call));
        e = std::move(chain);
        break;
      }
      default:
        error(fmt::format("unexpected . after term {}", quote(e->text)));
        return std::nullopt;
    }
    e->at = at;
    e->text = text;
    return e;
  }

  std::optional<Expr> term() {
    const Token& token = next_solid();
    Expr e;
    e.at = token.at;
    e.text = token.text;
    switch (token.kind) {
      case TokenKind::kIdentifier:
        e.kind = Expr::Kind::kIdentifier;
        if (token.text != "and" && token.text != "or" && !builtins().contains(token.text) &&
            !functions_.contains(token.text)) {
          error(fmt::format("function {} not defined", quote(token.text)));
        }
        return e;
      case TokenKind::kDot:
        return e;
      case TokenKind::kKeyword:
        if (token.text != "nil") break;
        e.kind = Expr::Kind::kNil;
        return e;
      case TokenKind::kVariable:
        e.kind = Expr::Kind::kVariable;
        e.names = {token.text};
        if (!known(token.text)) error(fmt::format("undefined variable {}", quote(token.text)));
        return e;
      case TokenKind::kField:
        e.kind = Expr::Kind::kField;
        e.names = {token.text.substr(1)};
        return e;
      case TokenKind::kBool:
        e.kind = Expr::Kind::kBool;
        e.constant = token.text == "true";
        return e;
      case TokenKind::kChar:
      case TokenKind::kNumber:
        return numeric(token, std::move(e));
      case TokenKind::kString: {
        const std::optional<std::string> text = unquoted(token.text);
        e.kind = Expr::Kind::kString;
        e.constant = text.value_or("");
        if (!text) error("invalid syntax");
        return e;
      }
      case TokenKind::kOpen:
        return parenthesised(std::move(e));
      case TokenKind::kError:
        error(token.text);
        return std::nullopt;
      default:
        break;
    }
    --next_;
    return std::nullopt;
  }

  std::optional<Expr> numeric(const Token& token, Expr e) {
    e.kind = Expr::Kind::kNumber;
    if (token.kind == TokenKind::kChar) {
      const std::optional<std::string> text = unquoted(token.text);
      if (!text) {
        error("malformed character constant: " + token.text);
        return std::nullopt;
      }
      std::string_view rest = *text;
      e.constant = static_cast<std::int64_t>(take_rune(rest));
      return e;
    }
    std::optional<Value> value = parse_number(token.text);
    if (!value) {
      error(fmt::format("bad number syntax: {}", quote(token.text)));
      return std::nullopt;
    }
    e.constant = std::move(*value);
    return e;
  }

  std::optional<Expr> parenthesised(Expr e) {
    if (++nesting_ > kNestingMax) error("blocks and parentheses are nested too deeply");
    if (!good()) return std::nullopt;
    e.kind = Expr::Kind::kPipe;
    e.pipe = std::make_unique<Pipe>(pipe("parenthesized pipeline", TokenKind::kClose));
    e.text = "(" + e.pipe->text() + ")";
    --nesting_;
    return e;
  }

  std::shared_ptr<const Source> source_;
  const Functions& functions_;
  std::vector<Token> tokens_;
  std::size_t next_ = 0;
  std::size_t last_ = 0;
  std::size_t nesting_ = 0;
  int loops_ = 0;
  std::vector<std::string> variables_{"$"};
  std::optional<std::string> error_;
  Trees trees_;
};

}  // namespace

Result<Trees> parse_trees(std::string_view name, std::string_view text, const Functions& functions) {
  return Parser(name, text, functions).parse();
}

}  // namespace tocsin::tmpl
