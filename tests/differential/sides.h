#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/store/series_store.h"
#include "tests/differential/answer.h"
#include "tests/differential/demo_data.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace tocsin::differential {

/// A real Prometheus on a loopback port of its own, with nothing to scrape.
class PrometheusSide {
 public:
  PrometheusSide();
  ~PrometheusSide();

  /// Sends everything by remote write 1.0, in the order of time. False when it was refused.
  bool write(const std::vector<DemoSeries>& series);
  Answer ask(const Question& question);
  /// What it logged, for a test that fails.
  std::string log() const { return process_.log(); }

 private:
  struct Connection;
  test::TempDir dir_;
  std::uint16_t port_;
  test::Process process_;
  std::unique_ptr<Connection> connection_;
};

/// Our engine over a store in memory.
class OurSide {
 public:
  OurSide();
  void write(const std::vector<DemoSeries>& series);
  Answer ask(const Question& question) const;

 private:
  SeriesStore store_;
};

}  // namespace tocsin::differential
