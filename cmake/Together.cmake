# compile_together(TARGET [FOLDER...]): the sources of a folder are compiled as one file; those of the folders named
# each by itself. The templates of LibTorch, JSON and CLI11 that they share are then read and compiled once instead of
# once a file, which is most of the work. So names in the anonymous namespaces of a folder differ, as the compiler sees
# to. `make TOGETHER=n` compiles each file by itself, which finds what a file forgot to include.
option(KABLATE_TOGETHER "Compile the sources of a folder as one file" ON)

function(compile_together target)
  set(folders)
  set(most 30)  # in one file: it is compiled at one core
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    get_filename_component(folder "${source}" DIRECTORY)
    file(RELATIVE_PATH folder "${CMAKE_SOURCE_DIR}" "${folder}")
    if(folder IN_LIST ARGN)
      continue()
    endif()
    string(MAKE_C_IDENTIFIER "${folder}" folder)
    list(APPEND folders ${folder})
    list(APPEND of_${folder} "${source}")
  endforeach()
  list(REMOVE_DUPLICATES folders)
  foreach(folder IN LISTS folders)
    list(LENGTH of_${folder} count)
    math(EXPR files "(${count} + ${most} - 1) / ${most}")
    set(place 0)
    foreach(source IN LISTS of_${folder})
      math(EXPR file "${place} * ${files} / ${count}")
      set_source_files_properties("${source}" PROPERTIES UNITY_GROUP ${folder}_${file})
      math(EXPR place "${place} + 1")
    endforeach()
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${KABLATE_TOGETHER} UNITY_BUILD_MODE GROUP)
endfunction()
