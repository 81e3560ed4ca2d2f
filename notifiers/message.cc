#include "notifiers/message.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/core/template/functions.h"

namespace tocsin::message {
namespace {

std::string_view annotation(const Annotations& annotations, std::string_view name) {
  const auto found = annotations.find(std::string(name));
  return found == annotations.end() ? std::string_view() : std::string_view(found->second);
}

/// Values of `labels`, without the names, one blank between.
std::string values(const Labels& labels, const Labels& without) {
  std::string out;
  for (const Label label : labels) {
    if (without.has(label.name)) continue;
    out += (out.empty() ? "" : " ") + std::string(label.value);
  }
  return out;
}

std::string moment(TimePoint t) {
  // 2026-11-23T19:24:49Z -> 2026-11-23 19:24:49 UTC
  std::string text = format_rfc3339(std::chrono::floor<std::chrono::seconds>(t));
  text[10] = ' ';
  text.pop_back();
  return text + " UTC";
}

std::string since(const NotifiedAlert& alert) {
  if (!alert.resolved) return "firing since " + moment(alert.starts_at);
  const auto lasted = std::chrono::floor<std::chrono::seconds>(alert.ends_at - alert.starts_at);
  return fmt::format("resolved at {}, after {}", moment(alert.ends_at),
                     format_duration(std::max<Duration>(lasted, std::chrono::seconds(0))));
}

Item item(const NotifiedAlert& alert, const Labels& common) {
  Item out;
  out.resolved = alert.resolved;
  const std::string_view summary = annotation(alert.annotations, "summary");
  out.title = summary.empty() ? std::string(alert.labels.get("alertname")) : std::string(summary);
  if (out.title.empty()) out.title = "alert";
  out.description = annotation(alert.annotations, "description");
  if (out.description.empty()) out.description = annotation(alert.annotations, "message");
  for (const bool shared : {false, true}) {
    for (const Label label : alert.labels) {
      if ((common.get(label.name) == label.value) != shared) continue;
      out.labels += fmt::format("{}{}={}", out.labels.empty() ? "" : "  ", label.name, label.value);
    }
  }
  out.since = since(alert);
  const std::string_view runbook = annotation(alert.annotations, "runbook_url");
  if (is_link(runbook)) out.runbook_url = runbook;
  if (is_link(alert.generator_url)) out.source_url = alert.generator_url;
  return out;
}

std::string item_text(const Item& item) {
  std::string out = fmt::format("{} {}\n", item.resolved ? "RESOLVED" : "FIRING", item.title);
  if (!item.description.empty()) out += "  " + item.description + "\n";
  out += fmt::format("  {}\n  {}\n", item.since, item.labels);
  if (!item.runbook_url.empty()) out += "  What to do: " + item.runbook_url + "\n";
  if (!item.source_url.empty()) out += "  Graph: " + item.source_url + "\n";
  return out;
}

std::string link(std::string_view url, std::string_view text) {
  return fmt::format("<a href=\"{}\">{}</a>", tmpl::escape_html(url), tmpl::escape_html(text));
}

std::string item_html(const Item& item) {
  const char* color = item.resolved ? "#1a7f4b" : "#c22f2f";
  std::string out = fmt::format(
      "<div style=\"border-left:4px solid {};padding:4px 12px;margin:12px 0\">"
      "<div style=\"font-weight:600\">{}</div>",
      color, tmpl::escape_html(item.title));
  if (!item.description.empty()) out += fmt::format("<div>{}</div>", tmpl::escape_html(item.description));
  out += fmt::format("<div style=\"color:#667080\">{}<br>{}</div>", tmpl::escape_html(item.since),
                     tmpl::escape_html(item.labels));
  std::string links;
  if (!item.runbook_url.empty()) links += link(item.runbook_url, "What to do");
  if (!item.source_url.empty()) links += (links.empty() ? "" : " &middot; ") + link(item.source_url, "Graph");
  if (!links.empty()) out += "<div>" + links + "</div>";
  return out + "</div>\n";
}

}  // namespace

bool is_link(std::string_view url) {
  return (url.starts_with("http://") || url.starts_with("https://")) &&
         std::none_of(url.begin(), url.end(), [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; });
}

std::string page_url(const Notification& notification) {
  return is_link(notification.external_url) ? notification.external_url : "";
}

std::string cut(std::string_view text, std::size_t characters) {
  std::string out;
  std::size_t count = 0;
  std::size_t last = 0;  // where the last character kept begins
  for (std::size_t i = 0; i < text.size(); ++count) {
    const auto lead = static_cast<unsigned char>(text[i]);
    std::size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 1;
    std::string_view one = text.substr(i, length);
    if (one.size() < length || !is_valid_utf8(one)) {
      one = "\xEF\xBF\xBD";
      length = 1;
    }
    if (count == characters) {
      if (characters == 0) return "";
      out.resize(last);
      return out + "\xE2\x80\xA6";
    }
    last = out.size();
    out += one;
    i += length;
  }
  return out;
}

std::string subject(const Notification& n) {
  std::string out = n.resolved() ? "[RESOLVED] " : fmt::format("[FIRING:{}] ", n.firing_count());
  if (n.reason == NotifyReason::kTest) out = "[TEST] ";
  out += values(n.group_labels, {});
  if (const std::string common = values(n.common_labels, n.group_labels); !common.empty()) {
    out += (out.ends_with(' ') ? "(" : " (") + common + ")";
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

std::string headline(const Notification& n) {
  if (const std::string_view common = annotation(n.common_annotations, "summary"); !common.empty()) {
    return std::string(common);
  }
  if (!n.alerts.empty()) {
    const std::string title = item(n.alerts.front(), n.common_labels).title;
    const std::size_t others = n.alerts.size() - 1 + n.truncated_alerts;
    return others == 0 ? title : fmt::format("{} and {} more", title, others);
  }
  return values(n.group_labels, {});
}

Items items(const Notification& n, std::size_t most) {
  Items out;
  const std::size_t shown = std::min(most, n.alerts.size());
  for (std::size_t i = 0; i < shown; ++i) out.items.push_back(item(n.alerts[i], n.common_labels));
  out.left_out = n.alerts.size() - shown + n.truncated_alerts;
  return out;
}

std::string text(const Notification& n, std::size_t bytes_max) {
  const std::string end = page_url(n).empty() ? "" : "\nAll alerts: " + page_url(n) + "\n";
  const std::size_t reserved = end.size() + 64;  // and the line that counts
  std::string out = cut(subject(n), 1000) + "\n\n";
  std::size_t shown = 0;
  for (; shown < n.alerts.size(); ++shown) {
    const std::string next = item_text(item(n.alerts[shown], n.common_labels)) + "\n";
    if (out.size() + next.size() + reserved > bytes_max) break;
    out += next;
  }
  if (const std::size_t left_out = n.alerts.size() - shown + n.truncated_alerts; left_out > 0) {
    out += fmt::format("… and {} more alerts that do not fit here.\n", left_out);
  }
  return out + end;
}

std::string html(const Notification& n, std::size_t most) {
  const char* color = n.resolved() ? "#1a7f4b" : "#c22f2f";
  std::string out = fmt::format(
      "<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>{0}</title></head>\n"
      "<body style=\"font:15px/1.45 sans-serif;color:#1d2126;max-width:44rem\">\n"
      "<h1 style=\"font-size:18px;color:{1}\">{0}</h1>\n",
      tmpl::escape_html(subject(n)), color);
  const Items list = items(n, most);
  for (const Item& one : list.items) out += item_html(one);
  if (list.left_out > 0)
    out += fmt::format("<p>&hellip; and {} more alerts that do not fit here.</p>\n", list.left_out);
  std::string foot =
      fmt::format("Sent to {} because of {}.", tmpl::escape_html(n.receiver), tmpl::escape_html(to_string(n.reason)));
  if (!page_url(n).empty()) foot += " " + link(page_url(n), "All alerts");
  return out + fmt::format("<p style=\"color:#667080\">{}</p>\n</body></html>\n", foot);
}

std::string severity(const Notification& n) {
  constexpr std::string_view kWords[] = {"critical", "error", "warning", "info"};
  std::size_t worst = std::size(kWords);
  const bool any_firing = n.firing_count() > 0;
  for (const NotifiedAlert& alert : n.alerts) {
    if (any_firing && alert.resolved) continue;
    const std::string_view word = alert.labels.get("severity");
    std::size_t rank = 1;
    if (word == "page" || word == "emergency") rank = 0;
    for (std::size_t i = 0; i < std::size(kWords); ++i) {
      if (word == kWords[i]) rank = i;
    }
    worst = std::min(worst, rank);
  }
  return std::string(kWords[worst == std::size(kWords) ? 1 : worst]);
}

}  // namespace tocsin::message
