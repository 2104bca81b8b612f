# LibTorch from its headers and libraries alone, as the target `libtorch`. find_package(Torch) would ask for a CUDA
# toolkit where LibTorch is a CUDA build; this program compiles no CUDA and needs none.
# KABLATE_LIBTORCH is a folder with include/ and lib/: that of the Python package, or an unpacked libtorch archive.
set(KABLATE_LIBTORCH "" CACHE PATH "LibTorch's folder, with include/ and lib/")

add_library(libtorch INTERFACE)
foreach(name torch torch_cpu c10 torch_cuda c10_cuda)
  set(file "${KABLATE_LIBTORCH}/lib/lib${name}.so")
  if(EXISTS "${file}")
    add_library(libtorch::${name} SHARED IMPORTED)
    set_target_properties(libtorch::${name} PROPERTIES IMPORTED_LOCATION "${file}")
    target_link_libraries(libtorch INTERFACE libtorch::${name})
  elseif(NOT name MATCHES "_cuda$")
    message(FATAL_ERROR "KABLATE_LIBTORCH = \"${KABLATE_LIBTORCH}\" lacks lib/lib${name}.so: build with `make`, "
                        "or give an unpacked LibTorch with `make LIBTORCH=DIR`")
  endif()
endforeach()
target_include_directories(libtorch SYSTEM INTERFACE "${KABLATE_LIBTORCH}/include"
                           "${KABLATE_LIBTORCH}/include/torch/csrc/api/include")
target_compile_definitions(libtorch INTERFACE USE_C10D_GLOO USE_DISTRIBUTED USE_RPC USE_TENSORPIPE)  # as it was built
# A library registers its kernels and devices when it is loaded, named by us or not. The C++ library comes first:
# LibTorch's libraries export parts of copies of it, which would be found instead. The CUDA build of 2.11 has two,
# and std::filesystem::remove_all, half of one and half of another, ended the program with signal 11.
target_link_options(libtorch INTERFACE LINKER:--no-as-needed,-lstdc++)

# A CUDA build of the Python package takes NVIDIA's libraries from the packages beside it.
if(TARGET libtorch::torch_cuda)
  target_compile_definitions(libtorch INTERFACE KABLATE_CUDA_LIBTORCH)
  target_link_options(libtorch INTERFACE LINKER:--allow-shlib-undefined)
  cmake_path(GET KABLATE_LIBTORCH PARENT_PATH packages)
  file(GLOB CMAKE_BUILD_RPATH "${packages}/nvidia/*/lib")
endif()
