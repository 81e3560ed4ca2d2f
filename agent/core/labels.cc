// A block is one allocation: a head, an array of end offsets (name end, value end, …), then all the bytes in order. A
// set of six labels takes about 150 bytes in one cache-friendly piece, and is compared and hashed without following
// pointers.

#include "agent/core/labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

namespace tocsin {

struct Labels::Rep {
  std::atomic<std::uint32_t> refs{1};
  std::uint32_t count = 0;
  std::uint64_t hash = 0;

  std::uint32_t* ends() { return reinterpret_cast<std::uint32_t*>(this + 1); }
  const std::uint32_t* ends() const { return reinterpret_cast<const std::uint32_t*>(this + 1); }
  char* chars() { return reinterpret_cast<char*>(ends() + 2 * std::size_t{count}); }
  const char* chars() const { return reinterpret_cast<const char*>(ends() + 2 * std::size_t{count}); }
  std::uint32_t bytes_end() const { return ends()[2 * std::size_t{count} - 1]; }
};

namespace {

constexpr std::uint64_t kFnvOffset = 14695981039346656037ULL;
constexpr std::uint64_t kFnvPrime = 1099511628211ULL;

std::uint64_t fnv(std::uint64_t h, std::string_view text) {
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * kFnvPrime;
  return (h ^ 0xffU) * kFnvPrime;
}

std::vector<Label> views(const auto& pairs) {
  std::vector<Label> out;
  out.reserve(pairs.size());
  for (const auto& [name, value] : pairs) out.push_back({name, value});
  return out;
}

}  // namespace

Labels::Labels(std::initializer_list<Label> labels) {
  std::vector<Label> list(labels);
  build(list);
}
Labels::Labels(std::vector<Label> labels) {
  build(labels);
}
Labels::Labels(const LabelList& labels) {
  std::vector<Label> list = views(labels);
  build(list);
}
Labels::Labels(const std::map<std::string, std::string>& labels) {
  std::vector<Label> list = views(labels);
  build(list);
}

void Labels::build(std::vector<Label>& labels) {
  if (!std::is_sorted(labels.begin(), labels.end(), [](auto& a, auto& b) { return a.name < b.name; })) {
    std::stable_sort(labels.begin(), labels.end(), [](auto& a, auto& b) { return a.name < b.name; });
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const bool overridden = i + 1 < labels.size() && labels[i + 1].name == labels[i].name;
    if (!overridden && !labels[i].value.empty()) labels[kept++] = labels[i];
  }
  labels.resize(kept);
  if (labels.empty()) return;

  std::size_t chars = 0;
  for (const Label& l : labels) chars += l.name.size() + l.value.size();
  void* memory = ::operator new(sizeof(Rep) + labels.size() * 2 * sizeof(std::uint32_t) + chars);
  rep_ = new (memory) Rep;
  rep_->count = static_cast<std::uint32_t>(labels.size());
  rep_->hash = kFnvOffset;
  std::uint32_t at = 0;
  std::uint32_t* end = rep_->ends();
  char* out = rep_->chars();
  const auto put = [&](std::string_view text) {
    if (!text.empty()) std::memcpy(out + at, text.data(), text.size());
    at += static_cast<std::uint32_t>(text.size());
    *end++ = at;
    rep_->hash = fnv(rep_->hash, text);
  };
  for (const Label& l : labels) {
    put(l.name);
    put(l.value);
  }
}

Labels::Labels(const Labels& other) noexcept : rep_(other.rep_) {
  if (rep_ != nullptr) rep_->refs.fetch_add(1, std::memory_order_relaxed);
}

Labels::~Labels() {
  if (rep_ != nullptr && rep_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    rep_->~Rep();
    ::operator delete(rep_);
  }
}

std::size_t Labels::size() const {
  return rep_ == nullptr ? 0 : rep_->count;
}

std::size_t Labels::bytes() const {
  return rep_ == nullptr ? 0 : sizeof(Rep) + rep_->count * 2 * sizeof(std::uint32_t) + rep_->bytes_end();
}

std::uint64_t Labels::hash() const {
  return rep_ == nullptr ? kFnvOffset : rep_->hash;
}

Label Labels::operator[](std::size_t i) const {
  const std::uint32_t* end = rep_->ends();
  const char* chars = rep_->chars();
  const std::uint32_t begin = i == 0 ? 0 : end[2 * i - 1];
  return {std::string_view(chars + begin, end[2 * i] - begin),
          std::string_view(chars + end[2 * i], end[2 * i + 1] - end[2 * i])};
}

Labels::iterator Labels::begin() const {
  return {this, 0};
}
Labels::iterator Labels::end() const {
  return {this, size()};
}

std::string_view Labels::get(std::string_view name) const {
  for (std::size_t i = 0; i < size(); ++i) {
    const Label label = (*this)[i];
    if (label.name == name) return label.value;
  }
  return {};
}

std::string Labels::str() const {
  std::string out = "{";
  for (const Label label : *this) {
    if (out.size() > 1) out += ", ";
    out += is_valid_legacy_label_name(label.name) ? std::string(label.name) : quoted(label.name);
    out += "=" + quoted(label.value);
  }
  return out + "}";
}

std::string Labels::metric_str() const {
  const std::string_view name = metric_name();
  const bool plain = is_valid_legacy_metric_name(name);
  std::string out = plain ? std::string(name) : "";
  if (plain && size() == 1) return out;
  out += "{";
  const char* separator = "";
  if (!name.empty() && !plain) {
    out += quoted(name);
    separator = ",";
  }
  for (const Label label : *this) {
    if (label.name == kMetricName) continue;
    out += separator;
    out += is_valid_legacy_label_name(label.name) ? std::string(label.name) : quoted(label.name);
    out += "=" + quoted(label.value);
    separator = ",";
  }
  return out + "}";
}

bool operator==(const Labels& a, const Labels& b) {
  if (a.rep_ == b.rep_) return true;
  if (a.rep_ == nullptr || b.rep_ == nullptr) return false;
  if (a.rep_->hash != b.rep_->hash || a.rep_->count != b.rep_->count || a.bytes() != b.bytes()) return false;
  const std::size_t tail = a.rep_->count * 2 * sizeof(std::uint32_t) + a.rep_->bytes_end();
  return std::memcmp(a.rep_->ends(), b.rep_->ends(), tail) == 0;
}

std::strong_ordering operator<=>(const Labels& a, const Labels& b) {
  const std::size_t n = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < n; ++i) {
    const Label x = a[i];
    const Label y = b[i];
    if (const auto c = x.name <=> y.name; c != 0) return c;
    if (const auto c = x.value <=> y.value; c != 0) return c;
  }
  return a.size() <=> b.size();
}

LabelsBuilder::LabelsBuilder(const Labels& base) {
  labels_.reserve(base.size() + 4);
  for (const Label label : base) labels_.emplace_back(label.name, label.value);
}

LabelsBuilder& LabelsBuilder::set(std::string_view name, std::string_view value) {
  const auto at = std::lower_bound(labels_.begin(), labels_.end(), name,
                                   [](const auto& pair, std::string_view n) { return pair.first < n; });
  const bool there = at != labels_.end() && at->first == name;
  if (value.empty()) {
    if (there) labels_.erase(at);
  } else if (there) {
    at->second = value;
  } else {
    labels_.emplace(at, name, value);
  }
  return *this;
}

std::string_view LabelsBuilder::get(std::string_view name) const {
  const auto at = std::lower_bound(labels_.begin(), labels_.end(), name,
                                   [](const auto& pair, std::string_view n) { return pair.first < n; });
  return at != labels_.end() && at->first == name ? std::string_view(at->second) : std::string_view();
}

Labels LabelsBuilder::labels() const {
  return Labels(labels_);
}

namespace {

bool is_name(std::string_view name, bool colons) {
  if (name.empty()) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colons && c == ':');
    if (!letter && !(i > 0 && c >= '0' && c <= '9')) return false;
  }
  return true;
}

}  // namespace

bool is_valid_legacy_metric_name(std::string_view name) {
  return is_name(name, true);
}
bool is_valid_legacy_label_name(std::string_view name) {
  return is_name(name, false);
}

bool is_valid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t k) {
      return k < text.size() ? static_cast<unsigned char>(text[k]) : std::uint32_t{0};
    };
    const std::uint32_t lead = byte(i);
    const std::size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (length == 0) return false;
    std::uint32_t point = length == 1 ? lead : lead & (0x7fU >> length);
    for (std::size_t k = 1; k < length; ++k) {
      if (byte(i + k) >> 6 != 2) return false;
      point = point << 6 | (byte(i + k) & 0x3fU);
    }
    constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < kLeast[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
    i += length;
  }
  return true;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

}  // namespace tocsin
