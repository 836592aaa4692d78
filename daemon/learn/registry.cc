#include "daemon/learn/model.h"
#include "topology/error.h"

namespace kith {

#define MODEL(symbol) extern const ModelInfo symbol##_model;
#include "daemon/learn/models.def"
#undef MODEL

std::vector<const ModelInfo*> all_models() {
  return {
#define MODEL(symbol) &symbol##_model,
#include "daemon/learn/models.def"
#undef MODEL
  };
}

const ModelInfo& model_info(const std::string& name) {
  std::string known;
  for (const ModelInfo* info : all_models()) {
    if (name == info->name) return *info;
    known += (known.empty() ? "" : ", ") + std::string(info->name);
  }
  throw OperatorError("model.kind is \"" + name + "\", but the known ones are " + known);
}

}  // namespace kith
