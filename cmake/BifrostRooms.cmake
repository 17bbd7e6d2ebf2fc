# A room is a folder and the library that is made of it. Its headers are found only by those who link it: each library
# brings an include root of its own, in which nothing but its folder stands.
#
#   bifrost_room(TARGET FOLDER [SOURCE...])
#
# Without sources the library is headers only. tools/check-includes says the same of every include, and why.
function(bifrost_room target folder)
  set(root ${CMAKE_BINARY_DIR}/rooms/${target})
  get_filename_component(parent ${root}/${folder} DIRECTORY)
  file(MAKE_DIRECTORY ${parent})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${folder} ${root}/${folder} SYMBOLIC)
  if(ARGN)
    list(TRANSFORM ARGN PREPEND ${PROJECT_SOURCE_DIR}/${folder}/)
    add_library(${target} STATIC ${ARGN})
    target_include_directories(${target} PUBLIC ${root})
    target_link_libraries(${target} PUBLIC bifrost_build)
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE ${root})
    target_link_libraries(${target} INTERFACE bifrost_build)
  endif()
endfunction()

# Tests and benches look into every room.
add_library(bifrost_every_room INTERFACE)
target_include_directories(bifrost_every_room INTERFACE ${PROJECT_SOURCE_DIR})
