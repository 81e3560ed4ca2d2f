#include "probes/url.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/url.h"

namespace tocsin {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c); });
  return out;
}

std::string encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == '"' || c == '<' || c == '>') {
      out += fmt::format("%{:02X}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

/// For messages: in quotes and without a password.
std::string quoted_url(std::string_view text) {
  const std::size_t slashes = text.find("//");
  const std::size_t at = text.find('@');
  if (slashes == text.npos || at == text.npos || at < slashes) return quoted(text);
  return quoted(std::string(text.substr(0, slashes + 2)).append(text.substr(at + 1)));
}

/// RFC 3986 §5.2.4.
std::string without_dot_segments(std::string_view path) {
  std::vector<std::string_view> kept;
  bool folder = false;  // the path ends in a folder
  for (std::size_t at = 1; at <= path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    const std::string_view segment = path.substr(at, slash - at);
    folder = segment == "." || segment == "..";
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (segment != ".") {
      kept.push_back(segment);
    }
    at = slash + 1;
  }
  std::string out;
  for (const std::string_view segment : kept) out.append("/").append(segment);
  if (folder || out.empty()) out += '/';
  return out;
}

void read_path(std::string_view text, Url& url) {
  text = text.substr(0, text.find('#'));
  const std::size_t question = text.find('?');
  const std::string_view path = text.substr(0, question);
  url.path = path.empty() ? "/" : encoded(path);
  url.query = question == text.npos ? "" : encoded(text.substr(question));
}

}  // namespace

bool equal_in_any_case(std::string_view a, std::string_view b) {
  return lower(a) == lower(b);
}

std::string url_scheme(std::string_view reference) {
  const std::size_t end = reference.find_first_of(":/?#");
  if (end == reference.npos || end == 0 || reference[end] != ':') return "";
  const std::string scheme = lower(reference.substr(0, end));
  const bool good = scheme.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+-.") == scheme.npos &&
                    scheme[0] >= 'a' && scheme[0] <= 'z';
  return good ? scheme : "";
}

Result<Url> Url::parse(std::string_view text) {
  const std::string scheme = url_scheme(text);
  if (scheme != "http" && scheme != "https") return fail("{} is no http or https URL", quoted_url(text));
  const std::size_t authority_end = std::min(text.find_first_of("/?#", scheme.size() + 3), text.size());
  const auto parts = split_url(std::string(text.substr(0, authority_end)) + encoded(text.substr(authority_end)));
  if (!parts) return fail_in(quoted_url(text), parts.error());
  Url url{parts->scheme, parts->user, lower(parts->host), parts->port};
  if (!parts->path.empty()) url.path = parts->path;
  if (!parts->query.empty()) url.query = "?" + parts->query;
  return url;
}

Result<Url> Url::resolve(std::string_view reference) const {
  if (!url_scheme(reference).empty()) return parse(reference);
  if (reference.starts_with("//")) return parse(fmt::format("{}:{}", scheme, reference));
  Url url = *this;
  if (reference.empty() || reference.starts_with('#')) return url;
  if (reference.starts_with('?')) {
    const std::string old_path = path;
    read_path(reference, url);
    url.path = old_path;
    return url;
  }
  if (reference.starts_with('/')) {
    read_path(reference, url);
  } else {
    read_path(path.substr(0, path.rfind('/') + 1) + std::string(reference), url);
  }
  url.path = without_dot_segments(url.path);
  return url;
}

std::uint16_t Url::port_number() const {
  std::uint16_t number = tls() ? 443 : 80;
  std::from_chars(port.data(), port.data() + port.size(), number);
  return number;
}

std::string Url::authority() const {
  const bool v6 = host.find(':') != host.npos;
  return fmt::format("{}{}{}{}{}", v6 ? "[" : "", host, v6 ? "]" : "", port.empty() ? "" : ":", port);
}

std::string Url::str() const {
  return fmt::format("{}://{}{}{}{}{}", scheme, userinfo, userinfo.empty() ? "" : "@", authority(), path, query);
}

std::string Url::display() const {
  return fmt::format("{}://{}{}{}", scheme, authority(), path, query);
}

}  // namespace tocsin
