#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/store/series_store.h"

namespace tocsin::bench {

struct ListedQuery {
  std::string text;
  std::int64_t steps = 1;  // 1: an instant query
};

/// Queries, the samples they are asked of, and when: at `end`, or at `steps` times up to it. Times in milliseconds.
struct QueryList {
  std::string name;
  std::vector<ListedQuery> queries;
  std::int64_t end = 0;
  std::int64_t step = 0;
  std::function<void(SeriesStore&)> fill;
};

/// What rules ask: 1,000 series of ten minutes at 15 s.
QueryList list_rules();
/// Prometheus' own: 18,640 samples at 10 s of up to 1,300 series.
QueryList list_a();
/// Thanos': 1,000 pods, six hours at 30 s; asked over two hours.
QueryList list_b();
/// No queries: `series` of a site, 250 metrics of each host, a quarter of an hour at 15 s.
QueryList list_site(int series);

}  // namespace tocsin::bench
