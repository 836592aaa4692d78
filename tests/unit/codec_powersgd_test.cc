// PowerSGD (Vogels, Karimireddy, Jaggi 2019; ALGORITHMS 2C) on given matrices.
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>

#include "protocol/compressor.h"
#include "tests/instruction_sets.h"
#include "tests/vectors.h"

namespace kith {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr size_t kRows = 23;
constexpr size_t kColumns = 37;

RowMajor random_matrix(size_t rows, size_t columns, uint64_t seed) {
  RowMajor matrix(rows, columns);
  Rng rng = test::test_rng(seed);
  rng.fill_normal(std::span<float>(matrix.data(), rows * columns));
  return matrix;
}

std::span<const float> values(const RowMajor& matrix) {
  return {matrix.data(), static_cast<size_t>(matrix.size())};
}

// One stream of matrices of one shape.
class Stream {
 public:
  explicit Stream(size_t rank, Layout layout = {{"w", {kRows, kColumns}}})
      : codec_(make_codec("powersgd:" + std::to_string(rank), layout)) {}

  std::vector<float> send(std::span<const float> x) {
    SharedBuffer wire;
    EXPECT_TRUE(last_.encode(*codec_, copy_of(x, pool_), rng_, pool_, wire).ok());
    bytes_ = wire.size();
    std::vector<float> y(x.size());
    EXPECT_TRUE(codec_->decode_add(wire.bytes(), 1.0f, y).ok());
    return y;
  }
  RowMajor send(const RowMajor& x) {
    const std::vector<float> y = send(values(x));
    return Eigen::Map<const RowMajor>(y.data(), x.rows(), x.cols());
  }
  size_t bytes() const { return bytes_; }
  void persist(Archive& archive) { archive.part("last", last_); }
  Pool& pool() { return pool_; }

 private:
  Pool pool_;
  std::unique_ptr<Codec> codec_;
  LastSent last_;
  Rng rng_ = test::test_rng(3);
  size_t bytes_ = 0;
};

TEST(PowerSgd, AMatrixOfTheRankIsExactAtOnce) {
  for (const size_t rank : {1u, 2u, 4u}) {
    const RowMajor low = random_matrix(kRows, rank, 5) * random_matrix(rank, kColumns, 6);
    Stream stream(rank);
    EXPECT_LT((stream.send(low) - low).norm(), 1e-5 * low.norm());
    EXPECT_LT((stream.send(low) - low).norm(), 1e-5 * low.norm());
  }
}

// Of rank 2 in a stream of rank 4: two columns have nothing to say, and find something when there
// is.
TEST(PowerSgd, RankThatIsNotNeededComesBack) {
  const RowMajor low = random_matrix(kRows, 2, 7) * random_matrix(2, kColumns, 8);
  const RowMajor higher = random_matrix(kRows, 4, 9) * random_matrix(4, kColumns, 10);
  Stream stream(4);
  EXPECT_LT((stream.send(low) - low).norm(), 1e-5 * low.norm());
  const RowMajor nothing = RowMajor::Zero(kRows, kColumns);
  EXPECT_EQ(stream.send(nothing).norm(), 0);
  EXPECT_LT((stream.send(higher) - higher).norm(), 1e-5 * higher.norm());
}

// What is sent is a projection: of the rank at most, and what is left out is orthogonal to it.
TEST(PowerSgd, SendsAProjection) {
  const RowMajor m = random_matrix(kRows, kColumns, 11);
  for (const size_t rank : {1u, 3u}) {
    Stream stream(rank);
    for (int call = 0; call < 3; ++call) {
      const RowMajor sent = stream.send(m);
      const Eigen::JacobiSVD<Eigen::MatrixXf> svd(sent);
      EXPECT_LT(svd.singularValues()[rank], 1e-5 * svd.singularValues()[0]);
      EXPECT_LT((sent.transpose() * (m - sent)).norm(), 1e-4 * m.squaredNorm());
      EXPECT_NEAR((m - sent).squaredNorm(), m.squaredNorm() - sent.squaredNorm(),
                  1e-5 * m.squaredNorm());
    }
  }
}

// Power iteration with a warm start: the error falls to that of the best approximation.
TEST(PowerSgd, AStreamConvergesToTheBestApproximation) {
  const RowMajor m = random_matrix(kRows, kColumns, 12);
  const Eigen::JacobiSVD<Eigen::MatrixXf> svd(m);
  const Eigen::VectorXf singular = svd.singularValues();
  for (const size_t rank : {1u, 2u, 5u}) {
    Stream stream(rank);
    const double best = singular.tail(singular.size() - rank).squaredNorm();
    double error = (m - stream.send(m)).squaredNorm();
    EXPECT_GT(error, 1.02 * best);
    for (int call = 0; call < 400; ++call) error = (m - stream.send(m)).squaredNorm();
    EXPECT_NEAR(error, best, 1e-3 * best);
  }
}

TEST(PowerSgd, VectorsTravelAsTheyAreAndTheRestIsThin) {
  const Layout layout = {{"w", {20, 30}}, {"b", {20}}, {"kernel", {4, 3, 5}}, {"one", {1, 7}}};
  const std::vector<float> x = test::make_vector(test::Shape::kRandom, 600 + 20 + 60 + 7, 13);
  Stream stream(2, layout);
  const std::vector<float> y = stream.send(x);
  for (size_t i = 600; i < 620; ++i) EXPECT_EQ(x[i], y[i]);
  // One row: its factors would be no smaller.
  for (size_t i = 680; i < 687; ++i) EXPECT_EQ(x[i], y[i]);
  EXPECT_EQ(stream.bytes(), 4 + 4 * (2 * (20 + 30) + 20 + 2 * (4 + 15) + 7));
}

TEST(PowerSgd, AFreshStreamAfterACheckpointGoesOn) {
  const RowMajor m = random_matrix(kRows, kColumns, 14);
  Stream stream(2);
  for (int call = 0; call < 5; ++call) stream.send(m);
  Archive archive(Archive::Direction::kWrite, kRows * kColumns, stream.pool());
  stream.persist(archive);
  Stream later(2);
  Archive back(Archive::Direction::kRead, kRows * kColumns, later.pool());
  back.words = archive.words;
  back.vectors = archive.vectors;
  later.persist(back);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(stream.send(m), later.send(m));
}

TEST(PowerSgd, SumsBeyondTheRangeOfFloatsAreRefused) {
  const auto codec = make_codec("powersgd:1");
  Pool pool;
  Rng rng = test::test_rng(1);
  SharedBuffer wire;
  const std::vector<float> x(100, 3e38f);
  EXPECT_EQ(codec->encode(copy_of(x, pool), rng, pool, wire).reason(), Reason::kNotFinite);
}

TEST(PowerSgd, BadRanksAreNamed) {
  for (const char* spec : {"powersgd", "powersgd:0", "powersgd:2000", "powersgd:x",
                           "top-k:0.1 | powersgd:2", "powersgd:2 | int8"}) {
    EXPECT_THROW(make_codec(spec), OperatorError) << spec;
  }
}

}  // namespace
}  // namespace kith
