#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/store/history.h"
#include "agent/store/sqlite.h"

namespace tocsin {

/// What the writer and the readers of a metrics.db tell one another. Any thread.
class MetricsFile {
 public:
  explicit MetricsFile(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  /// Another file stands at the path now.
  void moved() { ++age_; }
  std::uint64_t age() const { return age_; }
  /// A reader found it damaged.
  void damaged() { damaged_ = true; }
  bool take_damage() { return damaged_.exchange(false); }

 private:
  std::string path_;
  std::atomic<std::uint64_t> age_ = 0;
  std::atomic<bool> damaged_ = false;
};

/// Reads metrics.db on a connection of its own, which it opens when it is first asked. One thread.
class MetricsHistory final : public History {
 public:
  using Apart = std::function<void(const std::function<void()>&)>;
  MetricsHistory(std::shared_ptr<MetricsFile> file, Apart apart) : file_(std::move(file)), apart_(std::move(apart)) {}

  std::vector<Labels> select(const Matchers& matchers, TimePoint from, TimePoint to) override;
  void samples(const Labels& labels, TimePoint from, TimePoint to, std::vector<Sample>& out) override;

 private:
  struct Connection {
    sqlite::Database db;
    sqlite::Statement gone;
    sqlite::Statement numbers;
    sqlite::Statement oldest;
    sqlite::Statement chunks;
  };
  Result<void> connect();
  /// Runs `read` apart, connected, and says what went wrong.
  void run(const std::function<Result<void>()>& read);
  Result<void> read_select(const Matchers& matchers, TimePoint from, std::vector<Labels>& out);
  Result<void> read_samples(const Labels& labels, TimePoint from, TimePoint to, std::vector<Sample>& out);
  Result<void> read_series(std::int64_t number, TimePoint from, TimePoint to, std::vector<Sample>& out);

  std::shared_ptr<MetricsFile> file_;
  Apart apart_;
  std::uint64_t age_ = 0;
  std::optional<Connection> connection_;
};

}  // namespace tocsin
