#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "rules/promql/ast.h"
#include "rules/promql/promql.h"

/// What a query is made into before it runs: a tree of nodes that evaluate all steps at once and keep what stays the
/// same from one evaluation to the next. design: see plan.cc.
namespace tocsin::promql {

/// A place in a block without a sample. A stale marker can stand for it, because selectors never let one through.
inline bool is_absent(double v) {
  return is_stale(v);
}
inline const double kAbsent = kStaleNaN;

struct OutSeries {
  Labels labels;
  /// The metric name goes when the query is done (delayed name removal); until then `by (__name__)` and the like see
  /// it.
  bool drop_name = false;
};
using SeriesList = std::vector<OutSeries>;
/// Nodes hand on the same list as long as their series are the same: whoever derives something from it compares the
/// pointer.
using SeriesListPtr = std::shared_ptr<const SeriesList>;

/// Instants at equal distances, in milliseconds.
struct Steps {
  std::int64_t start = 0;
  std::int64_t step = 1;
  std::size_t count = 1;
  std::int64_t at(std::size_t i) const { return start + step * static_cast<std::int64_t>(i); }
};

/// Counts the values a query holds at once and keeps their memory for the next evaluation.
class Arena {
 public:
  explicit Arena(std::uint64_t values_max) : values_max_(values_max) {}
  /// Error: more than the limit would be held.
  Result<std::vector<double>> take(std::size_t count);
  bool has_room(std::uint64_t more) {
    peak_ = std::max(peak_, held_ + more);
    return more <= values_max_ - held_;
  }
  /// The most that was held since the last call.
  std::uint64_t take_peak() { return std::exchange(peak_, held_); }
  void give(std::vector<double>&& values);

 private:
  std::uint64_t values_max_;
  std::uint64_t held_ = 0;
  std::uint64_t peak_ = 0;
  std::vector<std::vector<double>> free_;
};

/// The values of some series at some steps, series by series; absent ones are kAbsent.
class Block {
 public:
  Block() = default;
  Block(Block&& other) noexcept { *this = std::move(other); }
  Block& operator=(Block&& other) noexcept;
  ~Block() { release(); }

  SeriesListPtr series;
  std::size_t rows() const { return series ? series->size() : 0; }
  std::size_t steps() const { return steps_; }
  double* row(std::size_t i) { return values_.data() + i * steps_; }
  const double* row(std::size_t i) const { return values_.data() + i * steps_; }
  std::span<double> values() { return values_; }

 private:
  friend class Evaluation;
  void release();
  std::size_t steps_ = 0;
  std::vector<double> values_;
  Arena* arena_ = nullptr;
};

/// The time a query as a whole is asked for, in milliseconds: what `@ start()`, step() and range() mean. At an instant
/// the step is 0.
struct QueryTime {
  std::int64_t start = 0;
  std::int64_t end = 0;
  std::int64_t step = 0;
};

/// Thrown where a query ends before its time, by a limit or by its checkpoint; Query catches it.
struct Stopped {
  Error error;
};

/// About as many values could be touched in the time that making one set of labels takes.
inline constexpr std::size_t kSeriesWork = 16;

/// One evaluation of a query: what it runs against, and what it has to say besides its value.
class Evaluation {
 public:
  Evaluation(const SeriesStore& from, const QueryOptions& with, Arena& arena, QueryTime at)
      : store(from), options(with), query(at), arena_(arena) {}

  const SeriesStore& store;
  const QueryOptions& options;
  const QueryTime query;
  std::uint64_t samples_read = 0;
  std::uint64_t series_matched = 0;

  /// To be said wherever work goes on, with about how many values it touched: leads to the checkpoint from time to
  /// time. Throws Stopped.
  void work(std::size_t values) {
    if (!options.checkpoint) return;
    if (values < until_checkpoint_) {
      until_checkpoint_ -= values;
    } else {
      reach_checkpoint();
    }
  }
  /// Throws Stopped unless so many more values may be held.
  void make_room(std::uint64_t values);
  /// A block with every value absent.
  Result<Block> block(SeriesListPtr series, std::size_t steps);
  void warn(std::string text, const Expr& at);
  void inform(std::string text, const Expr& at);
  /// For texts that end in their own way.
  void inform_as_is(std::string text) { infos_.insert(std::move(text)); }
  std::uint64_t samples_peak() { return arena_.take_peak(); }
  std::vector<std::string> warnings() const { return {warnings_.begin(), warnings_.end()}; }
  std::vector<std::string> infos() const { return {infos_.begin(), infos_.end()}; }

 private:
  static constexpr std::size_t kWorkBetweenCheckpoints = 4096;
  void reach_checkpoint();

  Arena& arena_;
  std::size_t until_checkpoint_ = kWorkBetweenCheckpoints;
  std::set<std::string> warnings_;
  std::set<std::string> infos_;
};

class VectorNode {
 public:
  virtual ~VectorNode() = default;
  virtual Result<Block> eval(Evaluation& e, const Steps& steps) = 0;
};
using VectorNodePtr = std::unique_ptr<VectorNode>;

class ScalarNode {
 public:
  virtual ~ScalarNode() = default;
  /// One value per step.
  virtual Result<std::vector<double>> eval(Evaluation& e, const Steps& steps) = 0;
};
using ScalarNodePtr = std::unique_ptr<ScalarNode>;

/// A range vector: open() selects, then load() reads one series after the other.
class RangeNode {
 public:
  virtual ~RangeNode() = default;
  virtual Result<SeriesListPtr> open(Evaluation& e, const Steps& steps) = 0;
  /// Every sample that a window of these steps may hold, ascending, without stale markers.
  virtual Result<void> load(Evaluation& e, std::size_t series, std::vector<Sample>& out) = 0;

  /// The window of a step is (from, to]; smoothing looks `before` and `after` it as well.
  struct Extent {
    std::int64_t range = 0;
    std::int64_t offset = 0;
    bool fixed = false;  // `@`: the same window at each step
    std::int64_t at = 0;
    Smoothing smoothing = Smoothing::kNone;
    std::int64_t before = 0;
    std::int64_t after = 0;
    std::int64_t to(std::int64_t now) const { return (fixed ? at : now) - offset; }
  };
  const Extent& extent() const { return extent_; }

 protected:
  Extent extent_;
};
using RangeNodePtr = std::unique_ptr<RangeNode>;

class Selection;

/// Makes nodes out of expressions. What it makes refers to the expressions, which must outlive it.
class Planner {
 public:
  Planner() = default;
  /// `root` has all expressions below it; parts of it are shared through `cache`, when there is one.
  Planner(ExprPtr root, QueryCache* cache) : root_(std::move(root)), cache_(cache) {}
  /// A node of its own for `expr` itself; what is below may be shared.
  VectorNodePtr unshared(const Expr& expr) { return make_vector(expr); }
  std::shared_ptr<Selection> selection(const Matchers& matchers);
  VectorNodePtr vector(const Expr& expr);
  ScalarNodePtr scalar(const Expr& expr);
  RangeNodePtr range(const Expr& expr);

 private:
  VectorNodePtr shared(const Expr& expr);
  VectorNodePtr make_vector(const Expr& expr);
  VectorNodePtr call(const Expr& expr);
  ExprPtr root_;
  QueryCache* cache_ = nullptr;
  bool inside_invariant_ = false;
};

/// Resolves what depends on the query: `5m * 2`, `step()`. Errors: not positive (ranges), out of range, division by
/// zero.
Result<std::int64_t> resolve(const DurationValue& value, const Evaluation& e, bool may_be_negative);

/// What became of a list of series whose labels changed.
struct Renaming {
  SeriesListPtr from;
  SeriesListPtr to;
  std::vector<std::uint32_t> row;  // where each series went; empty when none fell together
};
/// Without their metric names, now or when the query is done.
std::shared_ptr<const Renaming> without_names(Evaluation& e, const SeriesListPtr& list, bool delayed);

/// Series under other labels: made once per list, applied without copying values unless series fall together.
class Relabelling {
 public:
  enum class Collision { kMerge, kRefuse };
  /// `change` gets a series and alters it. With kRefuse two series of the same labels are an error even when they never
  /// meet at a step.
  template <class Change>
  Result<Block> apply(Evaluation& e, Block in, Collision collision, Change&& change) {
    if (!renaming_ || in.series != renaming_->from) {
      auto out = std::make_shared<SeriesList>(*in.series);
      std::size_t bytes = 0;
      for (OutSeries& s : *out) {
        change(s);
        bytes += s.labels.bytes();
        e.work(kSeriesWork);
        e.make_room(bytes / sizeof(double));
      }
      renaming_ = prepare(e, in.series, std::move(out));
    }
    return map(e, std::move(in), collision);
  }
  /// The same with the change that most functions make: the metric name goes.
  Result<Block> drop_names(Evaluation& e, Block in, Collision collision);

 private:
  friend std::shared_ptr<const Renaming> without_names(Evaluation& e, const SeriesListPtr& list, bool delayed);
  static std::shared_ptr<const Renaming> prepare(Evaluation& e, const SeriesListPtr& from,
                                                 std::shared_ptr<SeriesList> out);
  Result<Block> map(Evaluation& e, Block in, Collision collision);

  std::shared_ptr<const Renaming> renaming_;
};

/// Takes the metric name (and __type__, __unit__) off, now or when the query is done.
void drop_name(OutSeries& series, bool delayed);
Labels without_name(const Labels& labels);
/// The labels by which a series finds its partner in a binary operation.
Labels match_labels(const Labels& labels, const VectorMatching& how);
/// Go's %g: how numbers stand in messages. And strconv's 'f': how they become label values.
std::string format_go_g(double v);
std::string format_go_f(double v);
inline constexpr std::string_view kSameLabelset = "vector cannot contain metrics with the same labelset";

// The nodes, each in the file that says what they do.
VectorNodePtr make_vector_selector(const VectorSelector& selector, bool timestamps, Planner& planner);
RangeNodePtr make_matrix_selector(const MatrixSelector& selector, Planner& planner);
RangeNodePtr make_subquery(const Subquery& subquery, VectorNodePtr inner);
VectorNodePtr make_aggregate(const Aggregate& node, Planner& planner);
VectorNodePtr make_binary(const Binary& node, Planner& planner);
ScalarNodePtr make_scalar_binary(const Binary& node, Planner& planner);
/// `</` and `>/`, which trim native histograms: of floats they make nothing, and say so.
VectorNodePtr make_trim(const Binary& node, Planner& planner);
/// default, if, ifnot.
VectorNodePtr make_gap_operator(const Binary& node, Planner& planner);
/// One series without labels.
VectorNodePtr make_vector_of_scalar(ScalarNodePtr scalar);
/// `default` between scalars; a node that fails, for what cannot be done with scalars.
ScalarNodePtr make_odd_scalar_binary(const Binary& node, Planner& planner);
VectorNodePtr make_negate(VectorNodePtr inner);
VectorNodePtr make_elementwise(const Call& call, Planner& planner);
VectorNodePtr make_range_function(const Call& call, Planner& planner);
VectorNodePtr make_absent(const Call& call, Planner& planner);
VectorNodePtr make_absent_over_time(const Call& call, Planner& planner);
VectorNodePtr make_histogram_function(const Call& call, Planner& planner);
VectorNodePtr make_label_replace(const Call& call, Planner& planner);
VectorNodePtr make_label_join(const Call& call, Planner& planner);
VectorNodePtr make_label_set(const Call& call, Planner& planner);
VectorNodePtr make_info(const Call& call, Planner& planner);
VectorNodePtr make_sort(const Expr& expr, Planner& planner);

}  // namespace tocsin::promql
