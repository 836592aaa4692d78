#include "daemon/job.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "daemon/job_check.h"
#include "daemon/job_nearest.h"
#include "daemon/job_text.h"
#include "daemon/job_train.h"
#include "topology/error.h"
#include "topology/registry.h"

namespace kith {

namespace {

const JobKey* find_key(const std::string& section, const std::string& key) {
  for (const JobKey& known : job_keys()) {
    if (section == known.section && key == known.spec.key) return &known;
  }
  return nullptr;
}

std::vector<std::string> section_names() {
  std::vector<std::string> names;
  for (const JobKey& known : job_keys()) {
    if (names.empty() || names.back() != known.section) names.push_back(known.section);
  }
  return names;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known) {
  const std::string near = nearest(word, known);
  if (!near.empty()) return ": did you mean " + near + "?";
  std::string text = ": known are ";
  for (size_t i = 0; i < known.size(); ++i) text += (i ? ", " : "") + known[i];
  return text;
}

void refuse_unknown_sections(const JobSections& sections) {
  const std::vector<std::string> names = section_names();
  for (const auto& [name, section] : sections) {
    if (std::ranges::find(names, name) != names.end()) continue;
    throw OperatorError("[" + name + "] is not a section of a job file" +
                        did_you_mean(name, names));
  }
}

// The key as it stands elsewhere: under another section, or with another kind of this one.
void refuse_misplaced(const std::string& section, const std::string& key, const std::string& kind) {
  const std::string full = section + "." + key;
  for (const JobKind& other : job_kinds()) {
    if (section != other.section || kind == other.name) continue;
    for (const OptionSpec& spec : other.options) {
      if (key != spec.key) continue;
      throw OperatorError(full + " belongs to " + section + "." + other.key + " = \"" + other.name +
                          "\", but it is \"" + kind + "\"");
    }
  }
  for (const JobKey& known : job_keys()) {
    if (key != known.spec.key) continue;
    throw OperatorError(full + " does not exist: did you mean " + known.section + "." + key + "?");
  }
}

// Splits a section into its fixed keys and those of its kind; refuses what is neither.
struct SplitSection {
  JobSection fixed;
  JobSection own;
};

SplitSection split(const std::string& section, const JobSection& given, const std::string& kind,
                   const OptionSpecs& own_specs) {
  SplitSection parts;
  std::vector<std::string> known;
  for (const JobKey& key : job_keys()) {
    if (section == key.section) known.push_back(section + "." + key.spec.key);
  }
  for (const OptionSpec& spec : own_specs) known.push_back(section + "." + spec.key);
  for (const auto& [key, value] : given) {
    const std::string full = section + "." + key;
    if (find_key(section, key)) {
      parts.fixed[key] = value;
    } else if (std::ranges::find(known, full) != known.end()) {
      parts.own[key] = value;
    } else {
      refuse_misplaced(section, key, kind);
      throw OperatorError(full + " does not exist" + did_you_mean(full, known));
    }
  }
  return parts;
}

void refuse_unquoted(const std::string& section, const JobSection& given,
                     const OptionSpecs& specs) {
  for (const OptionSpec& spec : specs) {
    const auto found = given.find(spec.key);
    if (spec.type != OptionSpec::Type::kText || found == given.end()) continue;
    if (std::holds_alternative<std::string>(found->second)) continue;
    const std::string name = section + "." + spec.key;
    throw OperatorError(name + " is " + to_text(found->second) + ", but must be a text: write " +
                        spec.key + " = \"" + to_text(found->second) + "\"");
  }
}

Options checked(const std::string& section, const OptionSpecs& specs, const JobSection& given) {
  refuse_unquoted(section, given, specs);
  return Options(section, specs, given);
}

OptionSpecs fixed_specs(const std::string& section) {
  OptionSpecs specs;
  for (const JobKey& key : job_keys()) {
    if (section == key.section) specs.push_back(key.spec);
  }
  return specs;
}

// One section after the checks: fixed keys, and those of the kind that `selector` names.
struct Section {
  Options fixed;
  Choice choice;
};

class Reader {
 public:
  explicit Reader(const JobSections& sections) : sections_(sections) {}

  Options plain(const std::string& name) const {
    return checked(name, fixed_specs(name), split(name, given(name), "", {}).fixed);
  }

  Section with_kind(const std::string& name, const std::string& selector) const {
    const std::string kind = selected(name, selector);
    const OptionSpecs own = options_of(name, selector, kind);
    const SplitSection parts = split(name, given(name), kind, own);
    return {checked(name, fixed_specs(name), parts.fixed), {kind, checked(name, own, parts.own)}};
  }

 private:
  JobSection given(const std::string& name) const {
    const auto found = sections_.find(name);
    return found == sections_.end() ? JobSection{} : found->second;
  }

  // The kind that the section asks for, checked to be a text.
  std::string selected(const std::string& name, const std::string& selector) const {
    JobSection only;
    const JobSection all = given(name);
    if (const auto found = all.find(selector); found != all.end()) only.insert(*found);
    const OptionSpecs specs = {find_key(name, selector)->spec};
    return checked(name, specs, only).text(selector);
  }

  static OptionSpecs options_of(const std::string& name, const std::string& selector,
                                const std::string& kind) {
    std::vector<std::string> known;
    for (const JobKind& entry : job_kinds()) {
      if (name != entry.section) continue;
      if (kind == entry.name) return entry.options;
      known.push_back(entry.name);
    }
    std::string list;
    for (const std::string& entry : known) list += (list.empty() ? "" : ", ") + entry;
    if (kind.empty()) {
      throw OperatorError(name + "." + selector + " is missing: it must be one of " + list);
    }
    const std::string near = nearest(kind, known);
    throw OperatorError(name + "." + selector + " is \"" + kind + "\", but the known ones are " +
                        list + (near.empty() ? "" : ": did you mean " + near + "?"));
  }

  const JobSections& sections_;
};

DataSpec read_data(const Options& data) {
  DataSpec spec;
  spec.source = data.text("source");
  spec.labels = data.text("labels");
  spec.test = data.text("test");
  spec.test_labels = data.text("test_labels");
  spec.label_column = data.text("label_column");
  spec.classes = static_cast<size_t>(data.integer("classes"));
  spec.test_fraction = data.number("test_fraction");
  spec.scale = data.text("scale");
  spec.partition = data.text("partition");
  return spec;
}

DelaySpec read_delays(const Options& delays) {
  DelaySpec spec;
  spec.compute = delays.text("compute");
  spec.scale = delays.numbers("scale");
  if (delays.text("per") == "round") spec.per = DelaySpec::Per::kRound;
  spec.latency = delays.number("latency_ms") / 1e3;
  spec.jitter = delays.text("jitter");
  spec.bandwidth = delays.number("bandwidth_mbit") * 1e6 / 8;
  spec.encode = delays.number("encode_mbyte") * 1e6;
  spec.decode = delays.number("decode_mbyte") * 1e6;
  spec.loss = delays.number("loss");
  spec.inject = delays.flag("inject");
  return spec;
}

AdversarySpec read_adversary(const Options& adversary) {
  return {.kind = adversary.text("kind"),
          .nodes = adversary.numbers("nodes"),
          .count = static_cast<uint32_t>(adversary.integer("count"))};
}

std::optional<PrivacySpec> read_privacy(const Options& privacy) {
  const PrivacySpec spec{.clip = privacy.number("clip"),
                         .noise = privacy.number("noise"),
                         .delta = privacy.number("delta"),
                         .secret = privacy.flag("secret")};
  if (spec.clip > 0) return spec;
  if (spec.noise == 0) return std::nullopt;
  throw OperatorError(
      "privacy.noise is a multiple of privacy.clip, which is missing: set it to the length that "
      "the gradient of one row is cut to, such as privacy.clip = 1.0");
}

MemorySpec read_memory(const Options& codec) {
  MemorySpec spec;
  const std::string& kind = codec.text("memory");
  if (kind == "error-feedback") spec.kind = MemoryKind::kErrorFeedback;
  if (kind == "ef21") spec.kind = MemoryKind::kEf21;
  if (kind == "dgc") spec.kind = MemoryKind::kDgc;
  spec.momentum = static_cast<float>(codec.number("momentum"));
  spec.clip = static_cast<float>(codec.number("clip"));
  spec.warm_up = static_cast<Round>(codec.integer("warm_up"));
  return spec;
}

Job build(const JobSections& sections, std::string text) {
  refuse_unknown_sections(sections);
  const Reader reader(sections);
  Job job;
  const Options what = reader.plain("job");
  job.name = what.text("name");
  job.seed = static_cast<uint64_t>(what.integer("seed"));
  job.model = reader.with_kind("model", "kind").choice;
  job.data = read_data(reader.plain("data"));
  const Section train = reader.with_kind("train", "optimizer");
  job.train = read_train(train.fixed, train.choice);
  job.algorithm = reader.with_kind("algorithm", "kind").choice;
  const Section topology = reader.with_kind("topology", "graph");
  job.graph = topology.choice;
  job.weights = topology.fixed.text("weights");
  job.when_silent = topology.fixed.text("when_silent");
  const Options codec = reader.plain("codec");
  job.codec = codec.text("kind");
  job.choose_codec = job.codec == "auto";
  if (job.choose_codec) job.codec = "identity";
  job.layers = {.named = parse_named_layers(codec.text("layers")),
                .small = codec.text("small"),
                .small_values = static_cast<size_t>(codec.integer("small_size")),
                .each = codec.flag("per_layer")};
  job.memory = read_memory(codec);
  job.down = codec.text("down");
  job.aggregate = reader.with_kind("aggregate", "kind").choice;
  job.privacy = read_privacy(reader.plain("privacy"));
  job.adversary = read_adversary(reader.plain("adversary"));
  job.delays = read_delays(reader.plain("delays"));
  const Options report = reader.plain("report");
  job.report.every = static_cast<Round>(report.integer("every"));
  job.report.evaluate = report.flag("evaluate");
  job.consensus_tolerance = reader.plain("consensus").number("tolerance");
  const Options checkpoint = reader.plain("checkpoint");
  job.checkpoint_every = static_cast<Round>(checkpoint.integer("every"));
  job.checkpoint_seconds = checkpoint.number("seconds");
  const Options stop = reader.plain("stop");
  job.rounds = static_cast<Round>(stop.integer("rounds"));
  job.epochs = stop.number("epochs");
  job.text = std::move(text);
  check_job(job);
  return job;
}

Job parse_named(const std::string& toml, const std::vector<std::string>& overrides,
                const std::string& fallback_name) {
  JobSections sections = read_sections(toml);
  for (const std::string& assignment : overrides) apply_override(sections, assignment);
  const bool named = !fallback_name.empty() && !sections["job"].contains("name");
  if (named) sections["job"]["name"] = fallback_name;
  const bool changed = named || !overrides.empty();
  return build(sections, changed ? write_sections(sections) : toml);
}

// The file's own name without folder and ending, in the letters that job.name may have.
std::string name_of_file(const std::string& path) {
  std::string name = std::filesystem::path(path).stem().string();
  for (char& c : name) {
    if (!is_name_letter(c)) c = '-';
  }
  return name.substr(0, 64);
}

}  // namespace

Job parse_job(const std::string& toml, const std::vector<std::string>& overrides) {
  return parse_named(toml, overrides, "");
}

Job load_job(const std::string& path, const std::vector<std::string>& overrides) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    throw OperatorError("cannot read the job file " + path +
                        ": give the path of a TOML file, such as examples/ring.toml");
  }
  const std::string toml{std::istreambuf_iterator<char>(file), {}};
  try {
    return parse_named(toml, overrides, name_of_file(path));
  } catch (const OperatorError& error) {
    throw OperatorError(path + ": " + error.what());
  }
}

std::shared_ptr<const Graph> make_graph(const Job& job, uint32_t nodes) {
  return make_graph(job.graph.kind, nodes, job.seed, job.graph.options);
}

std::unique_ptr<Mixing> make_mixing(const Job& job, std::shared_ptr<const Graph> graph) {
  if (const OwnWeights* own = algorithm_info(job.algorithm.kind).weights) {
    return own->make(job.algorithm.options, *graph, job.seed);
  }
  const std::string rule = job.weights.empty() ? default_mixing(*graph) : job.weights;
  return make_mixing(rule, std::move(graph));
}

bool goes_on_over(const AlgorithmInfo& algorithm, const Graph& graph) {
  return algorithm.goes_on == GoesOn::kAnyGraph ||
         (algorithm.goes_on == GoesOn::kUndirected && graph.undirected());
}

bool goes_on(const Job& job, const Graph& graph) {
  if (job.when_silent == "wait") return false;
  const AlgorithmInfo& algorithm = algorithm_info(job.algorithm.kind);
  if (algorithm.needs.star) return !job.keeps_checkpoints();
  return goes_on_over(algorithm, graph);
}

double batches_per_round(const Job& job, uint32_t nodes, double rows_per_node) {
  const AlgorithmInfo& algorithm = algorithm_info(job.algorithm.kind);
  const Options& options = job.algorithm.options;
  const double passes = algorithm.passes_per_round ? algorithm.passes_per_round(options, nodes) : 0;
  if (passes == 0 || rows_per_node == 0) return algorithm.batches_per_round(options, nodes);
  return passes * rows_per_node / static_cast<double>(job.train.batch.size);
}

Round rounds_of(const Job& job, uint32_t nodes, double rows_per_node) {
  if (job.rounds > 0) return job.rounds;
  const double per_round = batches_per_round(job, nodes, rows_per_node);
  const auto shard = static_cast<uint64_t>(std::max(1.0, std::ceil(rows_per_node)));
  const double wanted = job.epochs * rows_per_node;  // samples of the average node
  const auto enough = [&](Round rounds) {
    const double batches = static_cast<double>(rounds) * per_round;
    const auto whole = static_cast<uint64_t>(batches);
    const auto total = static_cast<uint64_t>(std::ceil(batches));
    const BatchSchedule& batch = job.train.batch;
    const double last = static_cast<double>(std::min<uint64_t>(batch.at(whole, total), shard));
    const double samples = static_cast<double>(batch.before(whole, total, shard)) +
                           (batches - static_cast<double>(whole)) * last;
    return samples >= wanted;
  };
  // Batches never shrink, so more rounds see no fewer samples.
  Round high = 1;
  while (!enough(high)) high *= 2;
  Round low = high / 2;  // not enough, or 0
  while (high - low > 1) {
    const Round middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace kith
