#include "notifiers/mail.h"

#include <date/date.h>
#include <fmt/format.h>

#include <algorithm>

#include "agent/core/labels.h"

namespace tocsin::mail {
namespace {

constexpr char kHex[] = "0123456789ABCDEF";

std::string one_line(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }, ' ');
  return out;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// `name: value`, folded at blanks so that lines stay below 78 where they can (RFC 5322 §2.1.1 limits them to 998).
std::string header_line(std::string_view name, std::string_view value) {
  std::string out = fmt::format("{}:", name);
  std::size_t line = out.size();
  for (std::size_t at = 0; at < value.size();) {
    const std::size_t end = std::min(value.find(' ', at), value.size());
    const std::string_view word = value.substr(at, end - at);
    if (line + 1 + word.size() > 76 && line > name.size() + 1) {
      out += "\r\n";
      line = 0;
    }
    out += ' ';
    out += word;
    line += 1 + word.size();
    at = end + 1;
  }
  return out + "\r\n";
}

/// `name <address>` with an encoded name.
std::string mailbox(std::string_view text) {
  const std::size_t open = text.rfind('<');
  if (open == std::string_view::npos) return one_line(text);
  std::string_view name = text.substr(0, open);
  while (name.ends_with(' ')) name.remove_suffix(1);
  const std::string where = one_line(text.substr(open));
  if (name.empty()) return where;
  return (is_ascii(name) ? one_line(name) : header_text(name)) + " " + where;
}

std::string date_text(TimePoint t) {
  return date::format("%a, %d %b %Y %H:%M:%S +0000", std::chrono::floor<std::chrono::seconds>(t));
}

}  // namespace

Result<std::string> address(std::string_view text) {
  const std::size_t open = text.rfind('<');
  std::string_view found = text;
  if (open != std::string_view::npos) {
    const std::size_t close = text.find('>', open);
    if (close == std::string_view::npos) return fail("{} has no closing >", quoted(text));
    found = text.substr(open + 1, close - open - 1);
  }
  const std::size_t at = found.rfind('@');
  const bool good = at != std::string_view::npos && at > 0 && at + 1 < found.size() && one_line(text) == text &&
                    std::none_of(found.begin(), found.end(), [](char c) {
                      return static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == '<' || c == '>' || c == ',';
                    });
  if (!good) return fail("{} is not a mail address", quoted(text));
  return std::string(found);
}

std::string quoted_printable(std::string_view text) {
  std::string out;
  std::size_t line = 0;
  const auto put = [&](std::string_view piece) {
    if (line + piece.size() > 75) {
      out += "=\r\n";
      line = 0;
    }
    out += piece;
    line += piece.size();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\r') continue;
    if (c == '\n') {
      out += "\r\n";
      line = 0;
      continue;
    }
    const bool last = i + 1 == text.size() || text[i + 1] == '\n' || text[i + 1] == '\r';
    const bool plain = (c >= '!' && c <= '~' && c != '=') || ((c == ' ' || c == '\t') && !last);
    if (plain) {
      put(std::string_view(&c, 1));
    } else {
      const auto byte = static_cast<unsigned char>(c);
      const char code[] = {'=', kHex[byte >> 4], kHex[byte & 15]};
      put(std::string_view(code, 3));
    }
  }
  return out;
}

std::string header_text(std::string_view text) {
  const std::string line = one_line(text);
  if (is_ascii(line) && line.find("=?") == std::string::npos) return line;
  // The "Q" encoding; a word never splits a character.
  constexpr std::string_view kOpen = "=?UTF-8?Q?", kClose = "?=";
  constexpr std::size_t kWordMax = 75;
  std::string out, word;
  for (std::size_t i = 0; i < line.size();) {
    std::size_t length = 1;
    while (i + length < line.size() && (static_cast<unsigned char>(line[i + length]) & 0xc0) == 0x80) ++length;
    std::string code;
    for (const char c : std::string_view(line).substr(i, length)) {
      const auto byte = static_cast<unsigned char>(c);
      const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-';
      if (plain) {
        code += c;
      } else if (c == ' ') {
        code += '_';
      } else {
        code += {'=', kHex[byte >> 4], kHex[byte & 15]};
      }
    }
    if (kOpen.size() + word.size() + code.size() + kClose.size() > kWordMax) {
      out += fmt::format("{}{}{} ", kOpen, word, kClose);
      word.clear();
    }
    word += code;
    i += length;
  }
  return out + fmt::format("{}{}{}", kOpen, word, kClose);
}

std::string format(const Mail& mail) {
  // The boundary must not occur in the parts: quoted-printable never makes "=_".
  const std::string boundary = "=_tocsin_" + fmt::format("{:016x}", Labels{{"id", mail.message_id}}.hash());
  std::string to;
  for (const std::string& one : mail.to) to += (to.empty() ? "" : ", ") + mailbox(one);
  std::string references;
  for (const std::string& id : mail.references) references += fmt::format("{}<{}>", references.empty() ? "" : " ", id);

  std::string out = header_line("From", mailbox(mail.from)) + header_line("To", to) +
                    header_line("Subject", header_text(mail.subject)) + header_line("Date", date_text(mail.date)) +
                    header_line("Message-ID", fmt::format("<{}>", mail.message_id));
  if (!mail.references.empty()) {
    out += header_line("In-Reply-To", fmt::format("<{}>", mail.references.back()));
    out += header_line("References", references);
  }
  for (const auto& [name, value] : mail.headers) out += header_line(name, header_text(value));
  out += "MIME-Version: 1.0\r\n";
  out += fmt::format("Content-Type: multipart/alternative; boundary=\"{}\"\r\n\r\n", boundary);
  const auto part = [&](std::string_view type, std::string_view body) {
    out += fmt::format(
        "--{}\r\nContent-Type: {}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{}\r\n",
        boundary, type, quoted_printable(body));
  };
  part("text/plain", mail.text);
  part("text/html", mail.html);
  return out + fmt::format("--{}--\r\n", boundary);
}

}  // namespace tocsin::mail
