# What ranks on GPUs are carried by, loaded where a trial asks for it. NCCL is the one that LibTorch is loaded with, from
# NVIDIA's packages beside a CUDA build of the Python package; its header includes CUDA's, which are packages of
# headers alone (scripts/torch_build.py names them). Where one is missing such trials are refused when they start.
option(KABLATE_NCCL "Build the module of NCCL where all that it needs is there" ON)
if(KABLATE_NCCL AND TARGET libtorch::torch_cuda)
  file(GLOB nvidia LIST_DIRECTORIES true "${packages}/nvidia/*")
  list(TRANSFORM nvidia APPEND /include OUTPUT_VARIABLE nvidia_headers)
  list(TRANSFORM nvidia APPEND /lib OUTPUT_VARIABLE nvidia_libraries)
  find_path(KABLATE_NCCL_HEADERS nccl.h PATHS ${nvidia_headers} NO_DEFAULT_PATH)
  find_path(KABLATE_CUDA_HEADERS crt/host_config.h PATHS ${nvidia_headers} NO_DEFAULT_PATH)
  find_path(KABLATE_CCCL_HEADERS nv/target PATHS ${nvidia_headers} NO_DEFAULT_PATH)
  find_library(KABLATE_NCCL_LIBRARY NAMES libnccl.so.2 PATHS ${nvidia_libraries} NO_DEFAULT_PATH)
  if(KABLATE_NCCL_HEADERS AND KABLATE_CUDA_HEADERS AND KABLATE_CCCL_HEADERS AND KABLATE_NCCL_LIBRARY)
    add_library(kablate_nccl MODULE src/distributed/nccl/module.cpp)
    target_include_directories(kablate_nccl PRIVATE src)
    target_include_directories(kablate_nccl SYSTEM PRIVATE ${KABLATE_NCCL_HEADERS} ${KABLATE_CUDA_HEADERS}
                               ${KABLATE_CCCL_HEADERS})
    target_link_libraries(kablate_nccl PRIVATE libtorch ${KABLATE_NCCL_LIBRARY})
    set_target_properties(kablate_nccl PROPERTIES INSTALL_RPATH "${KABLATE_LIBTORCH}/lib;${CMAKE_BUILD_RPATH}")
    add_dependencies(kablate kablate_nccl)
    install(TARGETS kablate_nccl LIBRARY DESTINATION lib/kablate)
  else()
    message(STATUS "Without NCCL, for ranks on GPUs: ${packages}/nvidia has not all of nccl.h, libnccl.so.2, "
                   "crt/host_config.h and nv/target")
  endif()
endif()
