// Go's fmt, as far as template values reach: the verbs %v %t %d %b %o %O %x %X %c %q %U %e %E %f %F %g %G %s %T, flags,
// width, precision, * and [n]. Go defines every mistake too (a verb that does not fit, too few or too many operands),
// and people see these texts in their pages, so they are the same here.

#include "agent/core/template/format.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "agent/core/go_text.h"
#include "agent/core/labels.h"
#include "agent/core/template/go_time.h"

namespace tocsin::tmpl {
namespace {

constexpr int kWidthMax = 10'000;

struct Flags {
  bool plus = false, minus = false, sharp = false, space = false, zero = false;
  int width = -1, precision = -1;
};

std::size_t rune_count(std::string_view text) {
  std::size_t n = 0;
  for (; !text.empty(); ++n) take_rune(text);
  return n;
}

class Printer {
 public:
  std::string take() { return std::move(out_); }
  void text(std::string_view t) { out_ += t; }

  // One operand under one verb.
  void value(const Value& v, char32_t verb, const Flags& f, bool nested = false);

 private:
  void pad(std::string_view t, const Flags& f) {
    const std::size_t runes = rune_count(t);
    const std::size_t width = f.width < 0 ? 0 : static_cast<std::size_t>(f.width);
    const std::size_t fill = width > runes ? width - runes : 0;
    if (!f.minus) out_.append(fill, f.zero ? '0' : ' ');
    out_ += t;
    if (f.minus) out_.append(fill, ' ');
  }
  // Pads a number: zeros go between the sign and the digits.
  void pad_number(std::string t, const Flags& f) {
    const std::size_t width = f.width < 0 ? 0 : static_cast<std::size_t>(f.width);
    if (f.zero && !f.minus && t.size() < width) {
      const bool sign = !t.empty() && (t[0] == '-' || t[0] == '+' || t[0] == ' ');
      t.insert(sign ? 1 : 0, width - t.size(), '0');
    }
    Flags blank = f;
    blank.zero = false;
    pad(t, blank);
  }

  void bad_verb(const Value& v, char32_t verb) {
    out_ += "%!";
    append_rune(out_, verb);
    if (v.is_nil()) {
      out_ += "(<nil>)";
      return;
    }
    out_ += "(" + v.type() + "=";
    value(v, 'v', {}, true);
    out_ += ")";
  }

  void boolean(const Value& v, bool b, char32_t verb, const Flags& f) {
    if (verb != 't' && verb != 'v') return bad_verb(v, verb);
    Flags plain = f;
    plain.zero = false;
    pad(b ? "true" : "false", plain);
  }
  void integer(const Value& v, std::int64_t i, char32_t verb, const Flags& f);
  void floating(const Value& v, double d, char32_t verb, const Flags& f);
  void string(const Value& v, std::string_view s, char32_t verb, const Flags& f);
  void list(const List& l, char32_t verb, const Flags& f) {
    out_ += '[';
    for (std::size_t i = 0; i < l.size(); ++i) {
      if (i > 0) out_ += ' ';
      value(l[i], verb, f, true);
    }
    out_ += ']';
  }
  void map(const Map& m, char32_t verb, const Flags& f) {
    out_ += "map[";
    bool first = true;
    for (const auto& [key, item] : m) {
      if (!first) out_ += ' ';
      first = false;
      string(key, key, verb, f);
      out_ += ':';
      value(item, verb, f, true);
    }
    out_ += ']';
  }
  void object(const Value& v, const Value::Object& o, char32_t verb, const Flags& f) {
    if (o.print && (verb == 'v' || verb == 's' || verb == 'q' || verb == 'x' || verb == 'X')) {
      return string(v, o.print(), verb, f);
    }
    if (o.kind == Value::Object::Kind::kList) return list(o.items, verb, f);
    if (o.kind == Value::Object::Kind::kMap) return map(o.fields, verb, f);
    out_ += '{';
    bool first = true;
    const auto put = [&](const Value& item) {
      if (!first) out_ += ' ';
      first = false;
      value(item, verb, f, true);
    };
    if (o.order.empty()) {
      for (const auto& [name, item] : o.fields) put(item);
    }
    for (const auto& [name, json] : o.order) {
      if (const auto at = o.fields.find(name); at != o.fields.end()) put(at->second);
    }
    out_ += '}';
  }

  std::string out_;
};

void Printer::value(const Value& v, char32_t verb, const Flags& f, bool nested) {
  if (verb == 'T') return string(v, v.is_nil() ? "<nil>" : v.type(), 's', f);
  if (v.is_nil()) {
    if (verb != 'v') return bad_verb(v, verb);
    Flags plain = f;
    plain.zero = false;
    return nested ? text("<nil>") : pad("<nil>", plain);
  }
  if (const bool* b = v.as_bool()) return boolean(v, *b, verb, f);
  if (const auto* i = v.as_int()) return integer(v, *i, verb, f);
  if (const double* d = v.as_float()) return floating(v, *d, verb, f);
  if (const auto* s = v.as_string()) return string(v, *s, verb, f);
  if (const auto* o = v.as_object()) return object(v, *o, verb, f);
  if (const auto* l = v.as_list()) return list(*l, verb, f);
  if (const auto* m = v.as_map()) return map(*m, verb, f);
  if (const auto* d = v.as_duration(); d != nullptr && verb != 'v' && verb != 's' && verb != 'q') {
    return integer(v, go_nanoseconds(*d), verb, f);
  }
  string(v, v.as_time() != nullptr ? go_string(*v.as_time()) : go_string(*v.as_duration()), verb, f);
}

void Printer::integer(const Value& v, std::int64_t i, char32_t verb, const Flags& f) {
  int base = 10;
  switch (verb) {
    case 'v':
    case 'd':
      break;
    case 'b':
      base = 2;
      break;
    case 'o':
    case 'O':
      base = 8;
      break;
    case 'x':
    case 'X':
      base = 16;
      break;
    case 'U':
      return pad(fmt::format("U+{:04X}", i), f);
    case 'c':
    case 'q': {
      std::string rune;
      append_rune(rune, i < 0 || i > 0x10ffff ? U'\ufffd' : static_cast<char32_t>(i));
      if (verb == 'q')
        rune = "'" + (rune == "'" ? "\\'" : rune == "\"" ? rune : quote(rune).substr(1, quote(rune).size() - 2)) + "'";
      return pad(rune, f);
    }
    default:
      return bad_verb(v, verb);
  }
  const std::uint64_t magnitude = i < 0 ? 0 - static_cast<std::uint64_t>(i) : static_cast<std::uint64_t>(i);
  std::array<char, 72> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), magnitude, base).ptr;
  std::string out(digits.data(), end);
  if (f.precision == 0 && i == 0) out.clear();
  if (f.precision > static_cast<int>(out.size()))
    out.insert(0, static_cast<std::size_t>(f.precision) - out.size(), '0');
  if (verb == 'X')
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'a' ? static_cast<char>(c - 32) : c; });
  if (verb == 'O') out.insert(0, "0o");
  if (f.sharp && base == 16) out.insert(0, verb == 'x' ? "0x" : "0X");
  if (f.sharp && base == 2) out.insert(0, "0b");
  if (f.sharp && verb == 'o') out.insert(0, "0");
  if (i < 0) {
    out.insert(0, "-");
  } else if (f.plus || f.space) {
    out.insert(0, f.plus ? "+" : " ");
  }
  Flags flags = f;
  flags.zero = f.zero && f.precision < 0;
  pad_number(out, flags);
}

void Printer::floating(const Value& v, double d, char32_t verb, const Flags& f) {
  char letter = 'g';
  int precision = f.precision;
  switch (verb) {
    case 'v':
      break;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
      if (precision < 0) precision = 6;
      letter = verb == 'F' ? 'f' : static_cast<char>(verb);
      break;
    case 'x':
    case 'X':
      letter = static_cast<char>(verb);
      break;
    case 'g':
    case 'G':
      letter = static_cast<char>(verb);
      break;
    default:
      return bad_verb(v, verb);
  }
  std::string out = format_float(d, letter, precision);
  Flags flags = f;
  if (std::isnan(d) || std::isinf(d)) {
    flags.zero = false;
    if (std::isnan(d) && (f.plus || f.space)) out.insert(0, f.plus ? "+" : " ");
    return pad(out, flags);
  }
  if (out[0] != '-' && (f.plus || f.space)) out.insert(0, f.plus ? "+" : " ");
  pad_number(out, flags);
}

void Printer::string(const Value& v, std::string_view s, char32_t verb, const Flags& f) {
  if (f.precision >= 0 && verb != 'T') {
    std::string_view rest = s;
    for (int n = 0; n < f.precision && !rest.empty(); ++n) take_rune(rest);
    if (verb != 'x' && verb != 'X') {
      s.remove_suffix(rest.size());
    } else {
      s = s.substr(0, static_cast<std::size_t>(f.precision));
    }
  }
  switch (verb) {
    case 'v':
    case 's':
      return pad(s, f);
    case 'q': {
      const bool raw = f.sharp && s.find('`') == std::string_view::npos && s.find('\n') == std::string_view::npos;
      return pad(raw ? "`" + std::string(s) + "`" : quote(s), f);
    }
    case 'x':
    case 'X': {
      std::string hex;
      for (std::size_t i = 0; i < s.size(); ++i) {
        if (f.space && i > 0) hex += ' ';
        if (f.sharp && (i == 0 || f.space)) hex += verb == 'x' ? "0x" : "0X";
        const auto byte = static_cast<unsigned char>(s[i]);
        hex += verb == 'x' ? fmt::format("{:02x}", byte) : fmt::format("{:02X}", byte);
      }
      return pad(hex, f);
    }
    default:
      return bad_verb(v, verb);
  }
}

// What stands between % and the verb, read from the front of `rest`.
struct Directive {
  Flags flags;
  bool bad_width = false, bad_precision = false, bad_index = false;
};

class Formatter {
 public:
  Formatter(std::string_view format, std::span<const Value> args) : rest_(format), args_(args) {}

  std::string run() {
    while (!rest_.empty()) {
      const std::size_t percent = std::min(rest_.find('%'), rest_.size());
      out_.text(rest_.substr(0, percent));
      rest_.remove_prefix(percent);
      if (rest_.empty()) break;
      rest_.remove_prefix(1);
      directive();
    }
    if (!reordered_ && next_ < args_.size()) extra();
    return out_.take();
  }

 private:
  void directive() {
    Directive d;
    for (bool more = true; more && !rest_.empty();) {
      switch (rest_.front()) {
        case '+':
          d.flags.plus = true;
          break;
        case '-':
          d.flags.minus = true;
          break;
        case '#':
          d.flags.sharp = true;
          break;
        case ' ':
          d.flags.space = true;
          break;
        case '0':
          d.flags.zero = true;
          break;
        default:
          more = false;
      }
      if (more) rest_.remove_prefix(1);
    }
    index(d);
    if (rest_.starts_with('*')) {
      d.bad_width = !star(d.flags.width);
      if (d.flags.width < 0 && !d.bad_width) {
        d.flags.width = -d.flags.width;
        d.flags.minus = true;
      }
    } else {
      number(d.flags.width);
    }
    if (rest_.starts_with('.')) {
      rest_.remove_prefix(1);
      index(d);
      if (rest_.starts_with('*')) {
        d.bad_precision = !star(d.flags.precision) || d.flags.precision < 0;
        if (d.bad_precision) d.flags.precision = -1;
      } else if (!number(d.flags.precision)) {
        d.flags.precision = 0;
      }
    }
    index(d);
    if (d.flags.minus) d.flags.zero = false;
    if (d.bad_width) out_.text("%!(BADWIDTH)");
    if (d.bad_precision) out_.text("%!(BADPREC)");
    if (rest_.empty()) return out_.text("%!(NOVERB)");
    const char32_t verb = take_rune(rest_);
    if (verb == '%') return out_.text("%");
    std::string name;
    append_rune(name, verb);
    if (d.bad_index) return out_.text("%!" + name + "(BADINDEX)");
    if (next_ >= args_.size()) return out_.text("%!" + name + "(MISSING)");
    out_.value(args_[next_++], verb, d.flags);
  }

  bool number(int& value) {
    bool any = false;
    for (; !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9'; rest_.remove_prefix(1)) {
      value = std::min((any ? value : 0) * 10 + (rest_.front() - '0'), kWidthMax);
      any = true;
    }
    return any;
  }

  // The operand that a * names.
  bool star(int& value) {
    rest_.remove_prefix(1);
    const std::int64_t* i = next_ < args_.size() ? args_[next_].as_int() : nullptr;
    if (next_ < args_.size()) ++next_;
    if (i == nullptr || *i > kWidthMax || *i < -kWidthMax) return false;
    value = static_cast<int>(*i);
    return true;
  }

  // [n]
  void index(Directive& d) {
    if (!rest_.starts_with('[')) return;
    reordered_ = true;
    const std::size_t close = rest_.find(']');
    if (close == std::string_view::npos) {
      d.bad_index = true;
      rest_.remove_prefix(1);
      return;
    }
    std::size_t n = 0;
    const auto [end, error] = std::from_chars(rest_.data() + 1, rest_.data() + close, n);
    d.bad_index = error != std::errc() || end != rest_.data() + close || n < 1 || n > args_.size();
    if (!d.bad_index) next_ = n - 1;
    rest_.remove_prefix(close + 1);
  }

  void extra() {
    out_.text("%!(EXTRA ");
    for (std::size_t i = next_; i < args_.size(); ++i) {
      if (i > next_) out_.text(", ");
      if (args_[i].is_nil()) {
        out_.text("<nil>");
      } else {
        out_.text(args_[i].type() + "=");
        out_.value(args_[i], 'v', {});
      }
    }
    out_.text(")");
  }

  std::string_view rest_;
  std::span<const Value> args_;
  std::size_t next_ = 0;
  bool reordered_ = false;
  Printer out_;
};

}  // namespace

std::string sprint(std::span<const Value> values) {
  Printer out;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0 && values[i].as_string() == nullptr && values[i - 1].as_string() == nullptr) out.text(" ");
    out.value(values[i], 'v', {});
  }
  return out.take();
}

std::string sprintln(std::span<const Value> values) {
  Printer out;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out.text(" ");
    out.value(values[i], 'v', {});
  }
  out.text("\n");
  return out.take();
}

std::string sprintf(std::string_view format, std::span<const Value> args) {
  return Formatter(format, args).run();
}

}  // namespace tocsin::tmpl
