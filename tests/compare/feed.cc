// What `./dev compare engine` gives to both sides, from the lists that the benchmarks use too.
//
//   tocsin_feed queries LIST            a line per query: steps, a tab, the query; before them the step in milliseconds
//   tocsin_feed samples LIST END LAST   the newest LAST samples of each series, moved to end at END (milliseconds), as
//                                       bodies of remote write, each behind its length (four bytes, little endian)
//
// LIST is A, B or site:SERIES.

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/rules/promql/query_lists.h"
#include "tests/support/remote_write.h"

namespace tocsin {
namespace {

/// A request holds an hour's worth at most, since a TSDB takes samples of the last hour only.
constexpr std::size_t kSamplesPerRequest = 60;
constexpr std::size_t kSeriesPerRequest = 2000;

std::int64_t number(const std::string& text) {
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) std::exit(2);
  return out;
}

bench::QueryList list_of(const std::string& name) {
  if (name == "A") return bench::list_a();
  if (name == "B") return bench::list_b();
  if (!name.starts_with("site:")) std::exit(2);
  return bench::list_site(static_cast<int>(number(name.substr(5))));
}

void put(const std::vector<test::WriteSeries>& request) {
  const std::string body = test::snappy_compress(test::encode_write_v1(request));
  for (unsigned shift = 0; shift < 32; shift += 8) std::putchar(static_cast<int>(body.size() >> shift & 0xff));
  std::fwrite(body.data(), 1, body.size(), stdout);
}

void put_samples(const bench::QueryList& list, std::int64_t end, std::int64_t last) {
  SeriesStore store({.retention = std::chrono::hours(24 * 365), .bytes_max = std::size_t{8} << 30});
  list.fill(store);
  const std::int64_t first = list.end - (last - 1) * list.step;
  const Duration moved(end - list.end);
  std::vector<test::WriteSeries> all;
  std::vector<SeriesRef> refs;
  for (const SelectedSeries& s : store.select({}, TimePoint::min(), TimePoint::max())) {
    refs.push_back(s.ref);
    test::WriteSeries& series = all.emplace_back();
    for (const Label label : s.labels) series.labels.emplace_back(label.name, label.value);
  }
  for (std::int64_t from = first; from <= list.end; from += kSamplesPerRequest * list.step) {
    const std::int64_t to = from + static_cast<std::int64_t>(kSamplesPerRequest) * list.step - 1;
    for (std::size_t i = 0; i < refs.size(); i += kSeriesPerRequest) {
      std::vector<test::WriteSeries> request;
      for (std::size_t k = i; k < std::min(refs.size(), i + kSeriesPerRequest); ++k) {
        all[k].samples.clear();
        store.samples(refs[k], TimePoint(Duration(from)), TimePoint(Duration(to)), all[k].samples);
        for (Sample& sample : all[k].samples) sample.t += moved;
        if (!all[k].samples.empty()) request.push_back(all[k]);
      }
      if (!request.empty()) put(request);
    }
  }
}

int run(const std::vector<std::string>& args) {
  if (args.size() == 2 && args[0] == "queries") {
    const bench::QueryList list = list_of(args[1]);
    std::printf("%lld\n", static_cast<long long>(list.step));
    for (const bench::ListedQuery& q : list.queries)
      std::printf("%lld\t%s\n", static_cast<long long>(q.steps), q.text.c_str());
    return 0;
  }
  if (args.size() != 4 || args[0] != "samples") return 2;
  put_samples(list_of(args[1]), number(args[2]), number(args[3]));
  return 0;
}

}  // namespace
}  // namespace tocsin

int main(int argc, char** argv) {
  return tocsin::run({argv + 1, argv + argc});
}
