#include "distributed/module.h"

#include <dlfcn.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace kablate {

std::filesystem::path find_module(const std::string& name) {
  const auto program = program_folder();
  std::error_code ignored;
  for (const auto& folder : {program, program / ".." / "lib" / "kablate"})
    if (std::filesystem::exists(folder / name, ignored)) return folder / name;
  return {};
}

void* load_from_module(const std::filesystem::path& module, const std::string& function,
                       const std::string& asked_by) {
  void* library = ::dlopen(module.c_str(), RTLD_NOW | RTLD_GLOBAL);
  void* found = library == nullptr ? nullptr : ::dlsym(library, function.c_str());
  if (found == nullptr) throw UserError(str(asked_by, ": ", ::dlerror(), "; `make` builds it again"));
  return found;
}

}  // namespace kablate
