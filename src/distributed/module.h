// Parts of the program that are libraries of their own, loaded where a trial asks for them: all else is built
// and runs without what they are linked to.
#pragma once

#include <filesystem>
#include <string>

namespace kablate {

// Where the library `name` lies: beside the program, or where `make install` puts it; "" if in neither.
std::filesystem::path find_module(const std::string& name);

// `function` of it; libraries that are loaded later see its names. Throws UserError, with `asked_by` before
// the loader's words.
void* load_from_module(const std::filesystem::path& module, const std::string& function,
                       const std::string& asked_by);

}  // namespace kablate
