// The functions that Prometheus and Alertmanager both have, and the number and text helpers behind them.

#include <re2/re2.h>

#include <charconv>
#include <cmath>

#include "agent/core/go_text.h"
#include "agent/core/template/format.h"
#include "agent/core/template/functions.h"

namespace tocsin::tmpl {

Result<double> number_of(const Value& value) {
  if (const double* d = value.as_float()) return *d;
  if (const auto* i = value.as_int()) return static_cast<double>(*i);
  if (const auto* d = value.as_duration()) return to_seconds(*d);
  const std::string* text = value.as_string();
  if (text == nullptr) return fail("can't convert {} to float", value.type());
  const auto bad = [&] { return fail("strconv.ParseFloat: parsing {}: invalid syntax", quote(*text)); };
  std::string_view rest = *text;
  const bool minus = rest.starts_with('-');
  if (minus || rest.starts_with('+')) rest.remove_prefix(1);
  const bool hex = rest.starts_with("0x") || rest.starts_with("0X");
  if (hex) rest.remove_prefix(2);
  if (rest.empty() || rest.front() == '-' || rest.front() == '+') return bad();
  double number = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number,
                                            hex ? std::chars_format::hex : std::chars_format::general);
  if (hex && rest.find_first_of("pP") == std::string_view::npos) return bad();
  if (error == std::errc::result_out_of_range) {
    return fail("strconv.ParseFloat: parsing {}: value out of range", quote(*text));
  }
  if (error != std::errc() || end != rest.data() + rest.size()) return bad();
  return minus ? -number : number;
}

namespace {

// What Go's regexp says where RE2 says something else.
std::string_view mistake(re2::RE2::ErrorCode code) {
  switch (code) {
    case re2::RE2::ErrorBadEscape:
      return "invalid escape sequence";
    case re2::RE2::ErrorBadCharClass:
      return "invalid character class";
    case re2::RE2::ErrorBadCharRange:
      return "invalid character class range";
    case re2::RE2::ErrorMissingBracket:
      return "missing closing ]";
    case re2::RE2::ErrorMissingParen:
      return "missing closing )";
    case re2::RE2::ErrorUnexpectedParen:
      return "unexpected )";
    case re2::RE2::ErrorTrailingBackslash:
      return "trailing backslash at end of expression";
    case re2::RE2::ErrorRepeatArgument:
      return "missing argument to repetition operator";
    case re2::RE2::ErrorRepeatSize:
      return "invalid repeat count";
    case re2::RE2::ErrorRepeatOp:
      return "invalid nested repetition operator";
    case re2::RE2::ErrorBadPerlOp:
      return "invalid or unsupported Perl syntax";
    case re2::RE2::ErrorBadUTF8:
      return "invalid UTF-8";
    case re2::RE2::ErrorBadNamedCapture:
      return "invalid named capture";
    default:
      return "expression is too large";
  }
}

// RE2 as Go's regexp reads it, within a bound of memory.
Result<std::unique_ptr<re2::RE2>> compile(const std::string& pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  auto regex = std::make_unique<re2::RE2>(pattern, options);
  if (!regex->ok()) return fail("error parsing regexp: {}: `{}`", mistake(regex->error_code()), regex->error_arg());
  return regex;
}

Result<Value> match(std::string pattern, std::string text) {
  const auto regex = compile(pattern);
  if (!regex) return tl::make_unexpected(regex.error());
  return re2::RE2::PartialMatch(text, **regex);
}

// Appends `replacement` with $1, $name and ${name} filled in: Go's Regexp.Expand. A name is as long as it can be.
void expand(std::string_view replacement, const re2::RE2& regex, const std::vector<re2::StringPiece>& groups,
            std::string& out) {
  const auto part_of_name = [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  while (!replacement.empty()) {
    const std::size_t dollar = std::min(replacement.find('$'), replacement.size());
    out += replacement.substr(0, dollar);
    replacement.remove_prefix(dollar);
    if (replacement.empty()) return;
    if (replacement.starts_with("$$")) {
      out += '$';
      replacement.remove_prefix(2);
      continue;
    }
    const bool braces = replacement.starts_with("${");
    const std::size_t from = braces ? 2 : 1;
    std::size_t to = from;
    while (to < replacement.size() && part_of_name(replacement[to])) ++to;
    if (to == from || (braces && (to == replacement.size() || replacement[to] != '}'))) {
      out += '$';
      replacement.remove_prefix(1);
      continue;
    }
    const std::string name(replacement.substr(from, to - from));
    replacement.remove_prefix(to + (braces ? 1 : 0));
    std::size_t group = groups.size();
    if (name.find_first_not_of("0123456789") == std::string::npos) {
      std::from_chars(name.data(), name.data() + name.size(), group);
    } else if (const auto at = regex.NamedCapturingGroups().find(name); at != regex.NamedCapturingGroups().end()) {
      group = static_cast<std::size_t>(at->second);
    }
    if (group < groups.size()) out += std::string_view(groups[group].data(), groups[group].size());
  }
}

Result<Value> replace_all(std::string pattern, std::string replacement, std::string text) {
  const auto compiled = compile(pattern);
  if (!compiled) return fail("regexp: Compile(`{}`): {}", pattern, compiled.error().message);
  const re2::RE2& regex = **compiled;
  std::vector<re2::StringPiece> groups(static_cast<std::size_t>(regex.NumberOfCapturingGroups()) + 1);
  const re2::StringPiece whole(text);
  std::string out;
  std::size_t copied = 0;  // up to here the text is in `out`
  for (std::size_t search = 0; search <= text.size();) {
    if (!regex.Match(whole, search, text.size(), re2::RE2::UNANCHORED, groups.data(), static_cast<int>(groups.size())))
      break;
    const auto from = static_cast<std::size_t>(groups[0].data() - text.data());
    const std::size_t to = from + groups[0].size();
    out += std::string_view(text).substr(copied, from - copied);
    // An empty match right behind another one does not count.
    if (to > copied || from == 0) expand(replacement, regex, groups, out);
    copied = to;
    if (to > search) {
      search = to;
    } else if (search < text.size()) {
      std::string_view rest = std::string_view(text).substr(search);
      std::size_t bytes = 0;
      take_rune(rest, &bytes);
      search += bytes;
    } else {
      break;
    }
  }
  return out + text.substr(copied);
}

Result<Value> humanize_duration(Value value) {
  const Result<double> number = number_of(value);
  if (!number) return tl::make_unexpected(number.error());
  double v = *number;
  if (std::isnan(v) || std::isinf(v)) return format_float(v, 'g', 4);
  if (v == 0) return format_float(v, 'g', 4) + "s";
  if (std::fabs(v) >= 1) {
    const char* sign = v < 0 ? "-" : "";
    v = std::fabs(v);
    const auto whole = v < 9e18 ? static_cast<std::int64_t>(v) : std::numeric_limits<std::int64_t>::min();
    const std::int64_t seconds = whole % 60, minutes = whole / 60 % 60, hours = whole / 3600 % 24, days = whole / 86400;
    if (days != 0) return fmt::format("{}{}d {}h {}m {}s", sign, days, hours, minutes, seconds);
    if (hours != 0) return fmt::format("{}{}h {}m {}s", sign, hours, minutes, seconds);
    if (minutes != 0) return fmt::format("{}{}m {}s", sign, minutes, seconds);
    return sign + format_float(v, 'g', 4) + "s";
  }
  std::string prefix;
  for (const char p : std::string_view("munpfazy")) {
    if (std::fabs(v) >= 1) break;
    prefix = p;
    v *= 1000;
  }
  return format_float(v, 'g', 4) + prefix + "s";
}

}  // namespace

Error bad_operand(std::size_t operand, std::string_view wanted_type, const Value& got) {
  return {fmt::format("\x1f{}\x1f{}\x1f{}", operand, wanted_type, got.type())};
}

std::optional<BadOperand> as_bad_operand(const Error& error) {
  const std::string& text = error.message;
  if (!text.starts_with('\x1f')) return std::nullopt;
  const std::size_t wanted = text.find('\x1f', 1) + 1;
  const std::size_t got = text.find('\x1f', wanted) + 1;
  BadOperand bad{0, text.substr(wanted, got - wanted - 1), text.substr(got)};
  std::from_chars(text.data() + 1, text.data() + wanted - 1, bad.operand);
  return bad;
}

Functions shared_functions() {
  return {
      {"toUpper", typed("toUpper", [](std::string s) -> Result<Value> { return to_upper(s); })},
      {"toLower", typed("toLower", [](std::string s) -> Result<Value> { return to_lower(s); })},
      {"match", typed("match", match)},
      {"reReplaceAll", typed("reReplaceAll", replace_all)},
      {"safeHtml", typed("safeHtml", [](std::string s) -> Result<Value> { return s; })},
      {"humanizeDuration", typed("humanizeDuration", humanize_duration)},
  };
}

}  // namespace tocsin::tmpl
