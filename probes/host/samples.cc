#include "probes/host/samples.h"

namespace tocsin::host {
namespace {
/// Text files may name new families for ever; beyond this many they go undescribed.
constexpr std::size_t kFamiliesMax = 20000;
}  // namespace

void FamilyBook::note(const Family& family) {
  if (names_.contains(family.name) || names_.size() >= kFamiliesMax) return;
  names_.emplace(family.name);
  list_.push_back({std::string(family.name), std::string(family.type), std::string(family.help)});
  shared_.reset();
}

std::shared_ptr<const std::vector<MetricInfo>> FamilyBook::all() {
  if (shared_ == nullptr) shared_ = std::make_shared<const std::vector<MetricInfo>>(list_);
  return shared_;
}

void Samples::add(const Family& family, std::initializer_list<Label> labels, double value) {
  book_->note(family);
  std::vector<Label> all;
  all.reserve(labels.size() + 1);
  all.push_back({kMetricName, family.name});
  all.insert(all.end(), labels.begin(), labels.end());
  list_.push_back({Labels(std::move(all)), value, {}});
}

}  // namespace tocsin::host
