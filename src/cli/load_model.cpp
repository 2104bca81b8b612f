#include "cli/load_model.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/input_file.h"
#include "base/text.h"
#include "interchange/weights.h"
#include "measure/machine.h"
#include "model/kernel/choice.h"
#include "model/stored_parameters.h"

namespace kablate {

LoadedModel load_model(const Config& config, const std::string& path) {
  if (const auto reason = blocked_reason(config); !reason.empty()) throw UserError(reason);
  LoadedModel loaded{config_of_weights(config, path), resolve_device(config.run.device), nullptr};
  use_kernels(config.run.kernels, loaded.device);
  loaded.config.run.dtype = DType::kFloat32;
  loaded.model = std::make_unique<Gpt>(loaded.config, read_parameters(loaded.config, path, loaded.device));
  return loaded;
}

void check_writable(const std::string& path, const char* option) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::absolute(path).parent_path();
  std::error_code ignored;
  // A device or a pipe would be replaced by the file, as a folder could not be.
  if (const auto kind = other_than_file(path); !kind.empty())
    throw UserError(str(option, " = ", path, ": is ", kind, "; name a file"));
  if (!fs::is_directory(folder, ignored))
    throw UserError(str(option, " = ", path, ": there is no folder ", folder.string()));
  const fs::path probe = folder / (".probe" + unique_word());  // access() grants root everything
  const int fd = ::open(probe.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0)
    throw UserError(str(option, " = ", path, ": the folder ", folder.string(), " can't be written to (",
                        std::strerror(errno), ")"));
  ::close(fd);
  ::unlink(probe.c_str());
}

void check_outputs(const std::string& out, const std::string& config_out) {
  check_writable(out);
  if (config_out.empty()) return;
  check_writable(config_out, "--config-out");
  if (std::filesystem::weakly_canonical(out) == std::filesystem::weakly_canonical(config_out))
    throw UserError(str("--config-out = ", config_out, ": is --out too; give it a name of its own"));
}

}  // namespace kablate
